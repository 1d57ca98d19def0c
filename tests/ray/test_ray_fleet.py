"""Workers on a real Ray cluster: a study runs on all nodes, whatever dies is replaced, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from service.ray.fleet import RayFleet
from service.settings import Settings
from service.storage import workers
from service.storage.records import AttemptRecord, TrialRecord
from service.storage.states import Activity
from tests.acceptance.polling import eventually
from tests.chaos.oracle import verify
from tests.chaos.place import Place
from tests.postgresql import PostgreSQL, postgresql
from tests.ray.clusters import RayCluster, autoscaling_cluster, cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

_EPOCH_SECONDS = 0.05


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[RayCluster]:
    """A head; the end holds that nothing runs on."""
    with cluster(_EPOCH_SECONDS) as started:
        yield started


@pytest.fixture(scope="module")
def nodes(ray_cluster: RayCluster) -> list[Any]:
    """Nodes that are alive: two more than a fleet has workers, for two will die."""
    return ray_cluster.add_nodes(4)


def take_node(ray_cluster: RayCluster, nodes: list[Any], worker: str) -> Any:
    """The node of a worker, which is to end and is no longer among the others."""
    node = next(node for node in nodes if worker in ray_cluster.workers(node))
    nodes.remove(node)
    return node


@pytest.fixture
def place(database: PostgreSQL, tmp_path: Path) -> Iterator[Place]:
    made = Place(database.url("ray"), tmp_path)
    yield made
    made.close()


def settings_of(place: Place, address: str, **changes: Any) -> Settings:
    given = {"fleet": "ray", "ray_address": address, "idle_seconds": 1.5, "max_workers": 2, "lease_seconds": 60.0}
    return place.settings.model_copy(update=given | changes)


@contextmanager
def running(settings: Settings) -> Iterator[RayFleet]:
    fleet = RayFleet(settings)
    fleet.start()
    try:
        yield fleet
    finally:
        fleet.stop()


def alive(place: Place, *activities: Activity) -> list[str]:
    with place.store.reading() as session:
        return [one.name for one in workers.alive(session) if not activities or one.activity in activities]


def holding(place: Place) -> set[str]:
    """The workers that hold trials."""
    with place.store.reading() as session:
        return set(workers.running_by_worker(session))


def checkpoints(place: Place) -> int:
    """How many trials have a state to go on from."""
    query = sa.select(sa.func.count()).select_from(TrialRecord).where(TrialRecord.checkpoint.is_not(None))
    with place.store.reading() as session:
        return session.scalar(query) or 0


def lost(place: Place) -> list[str]:
    """Why attempts gave nothing."""
    query = sa.select(AttemptRecord.reason).where(AttemptRecord.ending != "told")
    with place.store.reading() as session:
        return [reason or "" for reason in session.scalars(query)]


def test_a_node_that_dies_is_replaced_and_its_trials_are_free_before_their_leases_run_out(
    ray_cluster: RayCluster, nodes: list[Any], place: Place
) -> None:
    place.study("study", trials=72, epochs=10)
    with running(settings_of(place, ray_cluster.address)):
        eventually(lambda: len(holding(place)) == 2, 60)
        dead = min(holding(place))
        ray_cluster.kill_node(take_node(ray_cluster, nodes, dead))
        place.ended("study", seconds=60)
        assert verify(place.store, place.artifacts).attempts["lost"] == len(lost(place)) >= 1
        assert all("node" in reason for reason in lost(place)), lost(place)
        with place.store.reading() as session:
            by = set(session.scalars(sa.select(AttemptRecord.worker)))
        assert dead in by
        assert len(by) == 3
        eventually(lambda: alive(place) == [], 30)  # nobody asks for them any more


def test_a_node_that_is_told_to_end_hands_its_trials_back_with_their_states(
    ray_cluster: RayCluster, nodes: list[Any], place: Place
) -> None:
    place.study("study", trials=6, epochs=200)
    # Only a trial that is handed back has a checkpoint.
    with running(settings_of(place, ray_cluster.address, checkpoint_seconds=1000.0)):
        worker = min(eventually(lambda: holding(place), 60))
        ray_cluster.end_node(take_node(ray_cluster, nodes, worker))
        eventually(lambda: checkpoints(place), 20)
        place.ended("study", seconds=60)
        assert verify(place.store, place.artifacts).attempts == {"told": 6}


def test_workers_outlive_their_server_and_the_next_one_adopts_them_and_replaces_those_of_other_settings(
    ray_cluster: RayCluster, nodes: list[Any], place: Place
) -> None:
    place.study("study", trials=150, epochs=10)
    settings = settings_of(place, ray_cluster.address, idle_seconds=20.0)
    with running(settings):
        eventually(lambda: len(holding(place)) == 2, 60)
    first = set(alive(place))
    before = told(place)
    eventually(lambda: told(place) > before, 30)
    assert set(alive(place)) == first
    with running(settings.model_copy(update={"turn_seconds": 3.0, "idle_seconds": 1.5})):
        eventually(lambda: not first & set(alive(place)), 60)
        place.ended("study", seconds=60)
    assert lost(place) == []
    verify(place.store, place.artifacts)
    eventually(lambda: alive(place) == [], 30)  # their server is gone


def told(place: Place) -> int:
    with place.store.reading() as session:
        query = sa.select(sa.func.count()).select_from(AttemptRecord).where(AttemptRecord.ending == "told")
        return session.scalar(query) or 0


def test_a_worker_that_no_node_has_room_for_is_shown_and_said(
    ray_cluster: RayCluster, nodes: list[Any], place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.study("study", trials=1)
    with running(settings_of(place, ray_cluster.address, worker_gpus=1)):
        eventually(lambda: alive(place, Activity.WAITING_FOR_NODE), 30)
    said = capfd.readouterr().err
    assert "no node of the Ray cluster has 1 CPU and 1 GPU; add one, or ask for less" in said


def test_another_token_is_refused(ray_cluster: RayCluster, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "2")
    event = "the Ray cluster is out of reach and is tried again"
    with capture_logs() as logs, running(settings_of(place, ray_cluster.address)):
        eventually(lambda: [line for line in logs if line["event"] == event], 60)
    [line, *_] = [line for line in logs if line["event"] == event]
    assert "Authentication token is missing or incorrect" in line["last_lines"][0]
    assert alive(place) == []


def test_nodes_come_with_the_work_and_go_with_it(place: Place, tmp_path: Path) -> None:
    with autoscaling_cluster(_EPOCH_SECONDS, tmp_path) as scaled:
        eventually(lambda: scaled.nodes() == 0, 60)
        with running(settings_of(place, scaled.address)):
            place.study("study", trials=60, epochs=10)
            eventually(lambda: scaled.nodes() == 2 and len(holding(place)) == 2, 60)
            place.ended("study", seconds=60)
            verify(place.store, place.artifacts)
            eventually(lambda: scaled.nodes() == 0, 60)
