"""How many workers the open trials are worth, for who starts them."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from service.storage import demand
from service.storage.demand import Demand
from service.storage.states import StudyState
from service.storage.store import Store
from service.worker.demand import bounded, wanted_workers
from studies.spec.resources import Resources
from tests.acceptance.polling import eventually
from tests.service.commanding import run_command
from tests.service.documents import document, study, train
from tests.service.working import worker_on, working

USUAL, LARGE = Resources(cpus=1), Resources(cpus=1, gpus=1)


def read(store: Store) -> list[Demand]:
    with store.reading() as session:
        return demand.read(session)


def test_a_study_wants_its_open_trials_over_those_that_one_worker_trains_at_once() -> None:
    studies = [
        Demand(17, 8, USUAL, root_id=1),
        Demand(4, 2, LARGE, root_id=2),
        Demand(100, 1, USUAL, max_workers=3, root_id=3),
        Demand(0, 8, USUAL, root_id=4),
    ]
    assert wanted_workers(studies) == {USUAL: 3 + 3, LARGE: 2}


def test_the_parts_of_a_study_share_its_limit() -> None:
    parts = [Demand(16, 8, USUAL, max_workers=3, root_id=1), Demand(16, 8, USUAL, max_workers=3, root_id=1)]
    assert wanted_workers([*parts, Demand(16, 8, USUAL, root_id=2)]) == {USUAL: 3 + 2}


@pytest.mark.parametrize(
    ("wanted", "least", "most", "had"),
    [
        ([], 0, 10, {}),
        ([], 2, 10, {USUAL: 2}),
        ([(1, LARGE, 0)], 2, 10, {LARGE: 1, USUAL: 1}),
        ([(3, USUAL, 0), (2, LARGE, 0)], 0, 10, {USUAL: 3, LARGE: 2}),
        ([(12, USUAL, 0), (4, LARGE, 0)], 0, 10, {USUAL: 6, LARGE: 4}),
        ([(12, USUAL, 0), (1, LARGE, 0)], 0, 3, {USUAL: 2, LARGE: 1}),
        ([(2, LARGE, 1), (12, USUAL, 0)], 0, 3, {LARGE: 2, USUAL: 1}),
        ([(12, USUAL, 1), (4, LARGE, 0)], 0, 10, {USUAL: 10}),
    ],
)
def test_the_workers_stay_between_their_bounds_and_kinds_of_one_priority_take_turns(
    wanted: list[tuple[int, Resources, int]], least: int, most: int, had: dict[Resources, int]
) -> None:
    studies = [Demand(n, 1, kind, root_id=i, priority=priority) for i, (n, kind, priority) in enumerate(wanted)]
    assert bounded(studies, least, most, USUAL) == had


def test_what_a_study_asks_for_is_known_before_a_worker_has_begun_it(store: Store) -> None:
    folds = {"kind": "kfold", "folds": 4}
    store.create_study(study("plain", trials=20))
    store.create_study(study("lanes", trials=6, training={"lanes": 3}))
    store.create_study(study("folds", trials=5, resampling=folds, priority=1))
    store.create_study(study("fixed", trials=90, reproducible=True, training={"lanes": 4}))
    store.create_study(study("large", trials=9, resources={"gpus": 1, "memory": "2 GiB"}, max_workers=4))
    store.create_study(study("paused", trials=9))
    store.set_state("paused", StudyState.PAUSED)
    assert [(one.trials, one.at_once, one.max_workers) for one in read(store)] == [
        (5, 2, None), (20, 8, None), (6, 3, None), (90, 4, 2), (9, 8, 4),
    ]  # fmt: skip
    assert read(store)[-1].resources == Resources(gpus=1, memory=2**31)
    assert read(store)[0].resources == Resources()


def test_trials_that_ended_ask_for_nothing_and_a_report_that_waits_for_one_worker(store: Store, folder: Path) -> None:
    assert read(store) == []
    store.create_study(study("iris", trials=2))
    store.set_state("iris", StudyState.STOPPED)
    assert wanted_workers(read(store)) == {Resources(): 1}
    with working(store, folder):
        eventually(lambda: read(store) == [], 30)


def test_the_wanted_workers_are_a_metric(api: httpx.Client) -> None:
    assert 'regsweep_workers_wanted{gpus="0"} 0.0' in api.get("/metrics").text
    api.post("/v1/studies", json=document(trials=20))
    assert 'regsweep_workers_wanted{gpus="0"} 3.0' in api.get("/metrics").text


def test_a_worker_that_shall_leave_when_idle_ends_its_work_first(store: Store, folder: Path) -> None:
    store.create_study(study("iris", trials=5))
    worker = worker_on(store.url, folder, train)
    worker.leave_when_idle()
    thread = threading.Thread(target=worker.run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert (store.study("iris").state, store.study("iris").published) == ("completed", True)


def test_workers_on_ray_need_a_database_that_other_machines_reach(tmp_path: Path) -> None:
    completed = run_command("serve", "--fleet", "ray", "--database-url", f"sqlite:///{tmp_path}/regsweep.db")
    assert completed.returncode == 2
    assert "no SQLite file reaches; name a PostgreSQL database" in completed.stderr
    completed = run_command(
        "serve", "--fleet", "ray", "--database-url", "postgresql+psycopg://host/x", REGSWEEP_MIN_WORKERS="11"
    )
    assert completed.returncode == 2
    assert completed.stderr == "regsweep: REGSWEEP_MIN_WORKERS: 11 are more than REGSWEEP_MAX_WORKERS, which is 10\n"


def test_custom_resources_are_names_with_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGSWEEP_WORKER_RESOURCES", "fast_disk=1, team_a=0.5")
    given = Settings().environment()
    assert given["REGSWEEP_WORKER_RESOURCES"] == "fast_disk=1,team_a=0.5"
    assert run_command("serve", REGSWEEP_WORKER_RESOURCES="gpu").stderr == (
        "regsweep: REGSWEEP_WORKER_RESOURCES: 'gpu' has no amount; write names and amounts, such as "
        "fast_disk=1,team_a=0.5\n"
    )
