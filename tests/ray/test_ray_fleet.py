"""Workers on a real Ray cluster: a study runs on all nodes, whatever dies is replaced, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from service.ray.fleet import RayFleet
from service.ray.keeper_lock import KeeperLock
from service.settings import Settings
from service.storage import workers
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.records import AttemptRecord, StudyRecord, TrialRecord, WorkerRecord
from service.storage.states import Activity, Ending, StudyState
from service.version import VERSION
from tests.acceptance.polling import eventually
from tests.chaos.oracle import verify
from tests.chaos.place import Place
from tests.postgresql import PostgreSQL, postgresql
from tests.ray.clusters import RayCluster, autoscaling_cluster, cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

_EPOCH_SECONDS = 0.05
REPRODUCIBLE: dict[str, Any] = {
    "trials": 30,
    "epochs": 60,
    "reproducible": True,
    "sampler": {"name": "tpe"},
    "training": {"lanes": 3},
    "max_workers": 4,
}


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def tables_here(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The trials of a study on one worker and on four, without Ray."""
    tables = []
    for count in (1, 4):
        folder = tmp_path_factory.mktemp("here")
        place = Place(f"sqlite:///{folder / 'regsweep.db'}", folder)
        place.study("study", **REPRODUCIBLE)
        for _ in range(count):
            place.worker(epoch_seconds=0.001)
        place.ended("study")
        tables.append(table(place))
        place.close()
    return tables


@pytest.fixture(scope="module")
def ray_cluster(tables_here: object) -> Iterator[RayCluster]:
    """A head; the end holds that nothing runs on. A server that forks workers runs on, so it was started before."""
    with cluster(_EPOCH_SECONDS) as started:
        yield started


@pytest.fixture(scope="module")
def nodes(ray_cluster: RayCluster) -> list[Any]:
    """Nodes that are alive: one more than a fleet has workers, and another test's worker stays on the last."""
    spot = {"resources": {"spot": 1.0}}
    return ray_cluster.add_nodes({}, spot, spot | {"num_gpus": 1})


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


def shown(place: Place) -> list[WorkerRecord]:
    with place.store.reading() as session:
        return list(session.scalars(sa.select(WorkerRecord)))


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
    query = sa.select(AttemptRecord.reason).where(AttemptRecord.ending != Ending.TOLD)
    with place.store.reading() as session:
        return [reason or "" for reason in session.scalars(query)]


def begun_by(place: Place, worker: str) -> int:
    """How many trials a worker has begun."""
    query = sa.select(sa.func.count()).select_from(AttemptRecord).where(AttemptRecord.worker == worker)
    with place.store.reading() as session:
        return session.scalar(query) or 0


def served_by(place: Place, study: str) -> set[str]:
    """The workers that tried trials of a study."""
    query = sa.select(AttemptRecord.worker).join(TrialRecord, TrialRecord.id == AttemptRecord.trial_id)
    with place.store.reading() as session:
        found = session.scalars(query.join(StudyRecord).where(StudyRecord.name == study))
        return {worker or "" for worker in found}


def table(place: Place) -> list[Any]:
    """What each trial of the study was and gave."""
    trials = place.store.trials("study", (), Sort.parse("number"), 1000, None).items
    return [(trial.number, trial.params, trial.state, trial.values, trial.epochs) for trial in trials]


class Said:
    """What servers say on standard error."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd, self._text = capfd, ""

    def count(self, words: str) -> int:
        """How often they have said something."""
        self._text += self._capfd.readouterr().err
        return self._text.count(words)


@contextmanager
def installed(version: str, folder: Path) -> Iterator[None]:
    """What is started in the block finds this version of regsweep."""
    metadata = folder / f"regsweep-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: regsweep\nVersion: {version}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        yield


def test_workers_go_where_their_resources_are_and_a_study_to_workers_that_have_what_it_asks_for(
    ray_cluster: RayCluster, nodes: list[Any], place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.study("plain", trials=90, epochs=10)
    place.study("large", trials=12, epochs=10, resources={"cpus": 0.25, "gpus": 1, "memory": "64 MiB"})
    place.study("too large", trials=1, resources={"gpus": 2})
    changes = {"worker_cpus": 0.5, "worker_resources": {"spot": 0.5}, "max_workers": 4}
    with running(settings_of(place, ray_cluster.address, **changes)):
        eventually(lambda: len(alive(place, Activity.TRAINING)) == 3, 90)
        plain, spot, gpu = [ray_cluster.workers(node) for node in nodes]
        [waiting] = eventually(lambda: alive(place, Activity.WAITING_FOR_NODE), 60)
        offers = {worker.name: (worker.cpus, worker.gpus, worker.memory) for worker in shown(place)}
        place.ended("plain", "large", seconds=120)
        place.store.set_state("too large", StudyState.STOPPED)
        eventually(lambda: alive(place) == [], 60)  # nobody asks for them any more
    assert plain == {}
    assert list(spot.values()) == ["", ""]
    assert list(gpu.values()) == ["0"]
    assert {offers[name][:2] for name in spot} == {(0.5, 0)}
    assert {offers[name] for name in gpu} == {(0.25, 1, 64 * 2**20)}
    assert offers[waiting] == (0.5, 2, None)
    assert served_by(place, "large") == {*gpu}
    assert served_by(place, "plain") >= {*spot}
    said = capfd.readouterr().err
    assert "no node of the Ray cluster has 0.5 CPUs and 2 GPUs, 0.5 spot; add one, or ask for less" in said


def test_workers_outlive_their_server_and_the_next_one_adopts_them_and_replaces_those_of_before(
    ray_cluster: RayCluster, nodes: list[Any], place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place.study("study", trials=3000, epochs=10)
    settings = settings_of(place, ray_cluster.address, idle_seconds=20.0)
    said = Said(capfd)
    with running(settings):
        eventually(lambda: len(holding(place)) == 2, 120)
    first = set(alive(place))
    with ExitStack() as servers:
        with ExitStack() as before:
            with installed("9.9.9", tmp_path):
                before.enter_context(running(settings))
            # The pause grows though the worker of before, which runs, is ready at each look.
            eventually(lambda: said.count("a worker cannot start; another is tried after_seconds=2.0"), 120)
            assert said.count(f"has regsweep {VERSION} and the server 9.9.9: install one on both") >= 2
            [unstarted] = eventually(lambda: alive(place, Activity.CANNOT_START), 60)
            assert unstarted not in first
            assert len(first & set(alive(place))) == 1  # the other one stays until a successor is ready
            changes = {"turn_seconds": 3.0, "idle_seconds": 1.5}
            servers.enter_context(running(settings.model_copy(update=changes)))
            eventually(lambda: said.count("another server keeps the workers on Ray; this one waits") == 1, 120)
        eventually(lambda: not first & set(alive(place)) and len(holding(place)) == 2, 120)
    place.store.set_state("study", StudyState.STOPPED)
    eventually(lambda: alive(place) == [], 60)  # their server is gone
    assert violations(place.store, place.artifacts) == []
    assert lost(place) == []


def test_a_study_has_the_trials_of_one_worker_and_of_four_though_one_node_dies_and_one_is_told_to_end(
    ray_cluster: RayCluster, nodes: list[Any], place: Place, tables_here: list[list[Any]]
) -> None:
    place.study("study", **REPRODUCIBLE)
    # Only a trial that is handed back has a checkpoint.
    with running(settings_of(place, ray_cluster.address, checkpoint_seconds=1000.0)):
        eventually(lambda: len(holding(place)) == 2, 120)
        dead, ended = sorted(holding(place))
        ray_cluster.kill_node(take_node(ray_cluster, nodes, dead))
        eventually(lambda: lost(place), 30)  # before its leases run out
        begun = begun_by(place, ended)
        # Those that it held may have ended meanwhile; of those that it begins it has three seconds to go.
        eventually(lambda: begun_by(place, ended) > begun, 60)
        ray_cluster.end_node(take_node(ray_cluster, nodes, ended))
        eventually(lambda: checkpoints(place), 60)
        place.ended("study", seconds=120)
        eventually(lambda: alive(place) == [], 60)
    assert verify(place.store, place.artifacts).attempts["lost"] == len(lost(place))
    assert all("node has died" in reason for reason in lost(place)), lost(place)
    assert dead in served_by(place, "study")
    assert [table(place)] * 2 == tables_here


def test_one_server_keeps_the_workers_until_it_ends_or_the_database_forgets_it(
    ray_cluster: RayCluster, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = KeeperLock(place.store), KeeperLock(place.store)
    assert (one.take(), other.take()) == (True, False)
    assert other.holder() == f"regsweep on {gethostname()}, process {os.getppid()}"
    end_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid != pg_backend_pid()"
    )

    def forget() -> bool:
        with place.store.writing() as session:
            session.execute(sa.text(end_others))
        return False

    forget()
    eventually(lambda: not one.is_held(), 60)
    assert (other.take(), one.take()) == (True, False)
    other.release()
    eventually(one.take, 60)
    one.release()
    said = Said(capfd)
    with running(settings_of(place, ray_cluster.address)):
        eventually(lambda: said.count("the Ray cluster is reached"), 120)
        eventually(lambda: one.take() or forget(), 20)  # the keeper may be faster
        eventually(lambda: said.count("another server keeps the workers on Ray; this one waits"), 60)
    one.release()


def test_another_token_is_refused(ray_cluster: RayCluster, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "2")
    event = "the keeper of the workers on Ray has ended and is started again"
    with capture_logs() as logs, running(settings_of(place, ray_cluster.address)):
        eventually(lambda: [line for line in logs if line["event"] == event], 120)
    [line, *_] = [line for line in logs if line["event"] == event]
    assert "Authentication token is missing or incorrect" in line["last_lines"][0]
    assert logs[0]["event"] == "the artifacts are in a folder, which every node of the Ray cluster must have"
    assert alive(place) == []


def test_nodes_come_with_the_work_and_go_with_it(place: Place) -> None:
    with autoscaling_cluster(_EPOCH_SECONDS) as scaled:
        eventually(lambda: scaled.nodes() == 0, 120)
        with running(settings_of(place, scaled.address)):
            place.study("study", trials=60, epochs=10)
            eventually(lambda: scaled.nodes() == 2 and len(holding(place)) == 2, 120)
            place.ended("study", seconds=120)
            verify(place.store, place.artifacts)
            eventually(lambda: scaled.nodes() == 0, 120)
