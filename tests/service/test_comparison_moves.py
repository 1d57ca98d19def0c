"""A comparison moves with its study: it is paused, resumed, stopped and deleted as one, and never in parts."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from service.errors import ConflictError, NotFoundError
from service.storage.comparison_store import ComparisonStore
from service.storage.records import CurveRecord, StudyRecord, TrialRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.errors import LeaseLostError
from studies.spec.study import StudySpec
from studies.sweep.ledger import Order
from tests.service.comparing import (
    ASKED,
    COMPARISON,
    CONFIRMATION,
    PARTS,
    compared_document,
    compared_study,
    places,
    states,
    sweep_all,
    work,
)
from tests.service.documents import study
from tests.service.ledgers import claimed, everything, ledger, opened, outcome, report, study_names

#: How far a comparison has come: what was swept before.
STAGES: dict[str, list[str]] = {
    "searching": ["iris", PARTS[0]],
    "confirming": ["iris", *PARTS],
    "completed": ["iris", *PARTS, CONFIRMATION],
}


@pytest.mark.parametrize("ended", [False, True])
def test_pause_and_resume_reach_the_parts(store: Store, folder: Path, ended: bool) -> None:
    store.create_study(compared_study())
    sweep_all(store, folder, ["iris", PARTS[0]] if ended else [PARTS[0]])
    begun = claimed(ledger(store, folder, PARTS[1]))
    store.set_state("iris", StudyState.PAUSED)
    study_paused, study_resumed = ("completed", "completed") if ended else ("paused", "queued")
    assert states(store) == dict(zip(["iris", *PARTS], [study_paused, "completed", "paused", "paused"], strict=True))
    assert WorkerStore(store).next_study() is None
    ledger(store, folder, PARTS[1]).hand_back(begun)
    assert ledger(store, folder, PARTS[1]).claim(1) == []
    store.set_state("iris", StudyState.RUNNING)
    assert states(store) == dict(zip(["iris", *PARTS], [study_resumed, "completed", "running", "queued"], strict=True))
    work(store, folder)
    assert set(states(store).values()) == {"completed"}


def test_a_paused_comparison_begins_no_confirmation_that_runs(store: Store, folder: Path) -> None:
    store.create_study(compared_study())
    sweep_all(store, folder, ["iris", *PARTS[:2]])
    spec, book = StudySpec.model_validate(store.study(PARTS[2]).spec), ledger(store, folder, PARTS[2])
    first, second = opened(book, spec), opened(book, spec)
    store.set_state("iris", StudyState.PAUSED)
    for claim, number in (first, second):  # what runs is finished, and with it the last search
        book.close(claim, number, outcome())
    assert WorkerStore(store).next_study() is None
    store.set_state("iris", StudyState.RUNNING)
    assert work(store, folder) == [CONFIRMATION]


@pytest.mark.parametrize("stage", ["searching", "confirming"])
@pytest.mark.parametrize("ended", [False, True])
def test_stop_ends_every_part(store: Store, folder: Path, stage: str, ended: bool) -> None:
    store.create_study(compared_study())
    sweep_all(store, folder, STAGES[stage] if ended else STAGES[stage][1:])
    active = [name for name, state in states(store).items() if state == "queued"]
    held = claimed(ledger(store, folder, active[-1]))
    before = states(store)
    stopped = store.set_state("iris", StudyState.STOPPED)
    assert (stopped.state, stopped.comparison_state) == ("completed" if ended else "stopped", "stopped")
    assert states(store) == before | dict.fromkeys(active, "stopped") | {"iris": stopped.state}
    assert WorkerStore(store).next_study() is None
    left = {name: [each.state for each in places(store, name)] for name in active}
    assert left == {name: [] for name in active} | {active[-1]: ["RUNNING"]}
    assert ledger(store, folder, active[-1]).report([]).order is Order.END
    assert held.number is None


def test_the_comparison_alone_can_be_stopped(api: httpx.Client, store: Store) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    for _ in range(2):  # stopping what has stopped changes nothing
        stopped = api.post("/v1/studies/iris/comparison/stop")
        assert (stopped.status_code, stopped.json()["state"], stopped.json()["result"]) == (200, "stopped", None)
        assert {part["state"] for part in stopped.json()["parts"]} == {"stopped"}
        assert api.get("/v1/studies/iris").json()["state"] == "queued"
    assert [name for name, state in states(store).items() if state == "queued"] == ["iris"]


@pytest.mark.parametrize("stage", STAGES)
def test_deleting_a_study_deletes_its_comparison_everywhere(
    api: httpx.Client, store: Store, folder: Path, stage: str
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, STAGES[stage])
    assert list(folder.rglob("*.keras"))
    if stage != "completed":
        refused = api.delete("/v1/studies/iris")
        assert (refused.status_code, len(states(store))) == (409, 5 if stage == "confirming" else 4)
    assert api.delete("/v1/studies/iris", params={"force": stage != "completed"}).status_code == 204
    with store.engine.connect() as connection:
        left = [connection.scalar(sa.select(sa.func.count(table.id))) for table in (StudyRecord, TrialRecord)]
        left.append(connection.scalar(sa.select(sa.func.count(CurveRecord.trial_id))))
    assert (left, study_names(store)) == ([0, 0, 0], [])
    assert not list(folder.rglob("*.keras"))
    assert api.get("/api/studies").json()["study_summaries"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_deleting_a_comparison_makes_room_for_another(
    api: httpx.Client, store: Store, folder: Path, stage: str
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, STAGES[stage])
    own = api.get("/v1/studies/iris/trials").json()
    kept = sorted((folder / "studies" / str(store.study("iris").id)).rglob("*.keras"))
    assert kept
    assert api.delete("/v1/studies/iris/comparison").status_code == 204
    assert (states(store), study_names(store)) == ({"iris": "completed"}, ["iris"])
    assert api.get("/v1/studies/iris").json()["comparison"] is None
    assert api.get("/v1/studies/iris/trials").json() == own
    assert sorted(folder.rglob("*.keras")) == kept
    assert api.delete("/v1/studies/iris/comparison").status_code == 404
    another = api.post("/v1/studies/iris/comparison", json=ASKED | {"techniques": ["l2", "l1"]})
    assert [part["name"] for part in another.json()["parts"]] == ["iris: l2", "iris: l1"]
    work(store, folder)
    assert api.get("/v1/studies/iris/comparison").json()["state"] == "completed"


def test_a_worker_of_a_deleted_comparison_writes_nothing_more(store: Store, folder: Path) -> None:
    store.create_study(compared_study())
    spec, book = StudySpec.model_validate(store.study(PARTS[0]).spec), ledger(store, folder, PARTS[0])
    claim, number = opened(book, spec)
    ComparisonStore(store).delete("iris")
    ComparisonStore(store).begin("iris", COMPARISON)  # of the same names
    before = everything(store, folder)
    with pytest.raises(LeaseLostError):
        report(book, claim, number, 1, 0.5)
    with pytest.raises(LeaseLostError):
        book.close(claim, number, outcome())
    assert everything(store, folder) == before


def test_a_part_is_neither_deleted_nor_compared_alone(api: httpx.Client, store: Store, folder: Path) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, ["iris", *PARTS])
    before = everything(store, folder)
    for name in ("iris: l1", CONFIRMATION):
        for force in (False, True):
            refused = api.delete(f"/v1/studies/{name}", params={"force": force})
            assert (refused.status_code, "delete the comparison of its study" in refused.text) == (409, True)
        assert api.post(f"/v1/studies/{name}/comparison", json=ASKED).status_code == 409
    assert everything(store, folder) == before


def test_a_study_without_a_comparison_has_none_to_stop_or_delete(store: Store) -> None:
    store.create_study(study())
    comparisons = ComparisonStore(store)
    for call in (comparisons.study, comparisons.stop, comparisons.delete):
        with pytest.raises(NotFoundError, match="has no comparison"):
            call("iris")
    with pytest.raises(ConflictError, match="cannot be resumed"):
        store.set_state("iris", StudyState.RUNNING)
