"""When the last search ends its confirmation stands, every planned training is run once, and the answer is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from service.storage.ledger import TrialLedger
from service.storage.records import StudyRecord
from service.storage.states import Ending
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.analysis.candidates import COCKTAILS
from studies.datasets.preprocessing import PreparedData
from studies.errors import LeaseLostError
from studies.plan import Plan
from studies.search.mirror import planned_template
from studies.spec.comparison import TECHNIQUES as EVERY_TECHNIQUE
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim
from studies.training.result import Job, OnEpoch, Trained
from tests.service.comparing import (
    CONFIRMATION,
    FOLDS,
    PARTS,
    PLANNED,
    REPEATS,
    TECHNIQUES,
    compared_document,
    compared_study,
    diverge,
    of_folds,
    places,
    states,
    sweep_all,
    sweep_as_worker,
    train,
)
from tests.service.ledgers import claimed, expire, ledger


@pytest.fixture
def searched(store: Store, folder: Path) -> Store:
    """A comparison whose searches have ended."""
    store.create_study(compared_study())
    sweep_all(store, folder, PARTS)
    return store


def _open(book: TrialLedger, claim: Claim) -> int:
    assert claim.plan is not None
    book.open(claim, planned_template(claim.slot, claim.plan), claim.plan.params)
    return claim.slot


def _in_optuna(store: Store) -> list[TrialState]:
    """How the trials of the confirmation stand in Optuna's own book, by number."""
    # Not by load_study, whose cache shows one of two trials of the same number.
    trials = store.optuna.get_all_trials(store.optuna.get_study_id_from_name(CONFIRMATION))
    assert [trial.number for trial in trials] == list(range(len(trials)))
    return [trial.state for trial in trials]


def test_the_confirmation_begins_with_the_end_of_the_last_search(store: Store, folder: Path) -> None:
    store.create_study(compared_study())
    seen: list[tuple[str | None, int]] = []

    @sa.event.listens_for(store.optuna.engine, "commit")
    def look(connection: sa.Connection) -> None:
        # What is about to stand, seen from within: no crash can come in between.
        whole = connection.scalar(sa.select(StudyRecord.comparison_state).where(StudyRecord.name == "iris"))
        active = sa.select(sa.func.count()).where(StudyRecord.parent_id.is_not(None), StudyRecord.ended_at.is_(None))
        seen.append((whole, connection.scalar(active) or 0))

    sweep_all(store, folder, PARTS)
    assert [pair for n, pair in enumerate(seen) if n == 0 or pair != seen[n - 1]] == [
        ("searching", 3), ("searching", 2), ("searching", 1), ("confirming", 1),
    ]  # fmt: skip
    assert states(store) == {"iris": "queued"} | dict.fromkeys(PARTS, "completed") | {CONFIRMATION: "queued"}


def test_the_plan_is_every_technique_on_every_fold_and_once_on_the_test_part(searched: Store, folder: Path) -> None:
    first = [Plan.read(each.plan or {}) for each in places(searched, CONFIRMATION)]
    sweep_as_worker(searched, folder, CONFIRMATION)
    planned = [Plan.read(each.plan or {}) for each in places(searched, CONFIRMATION)]
    assert planned[: len(TECHNIQUES)] == first
    assert len(planned) == PLANNED == len(TECHNIQUES) * (REPEATS + 1)
    assert [plan.technique for plan in planned] == list(TECHNIQUES) * (REPEATS + 1)
    folds = [list(range(repeat * FOLDS, (repeat + 1) * FOLDS)) for repeat in range(REPEATS)]
    assert [list(plan.folds) for plan in planned[:: len(TECHNIQUES)]] == [*folds, [REPEATS * FOLDS]]
    assert [plan.test for plan in planned] == [False] * len(TECHNIQUES) * REPEATS + [True] * len(TECHNIQUES)
    best = [searched.best(searched.study(part))[0].params for part in PARTS]
    assert [plan.params for plan in planned] == best * (REPEATS + 1)
    assert {frozenset(plan.among) for plan in planned} == {frozenset([*EVERY_TECHNIQUE, *COCKTAILS])}
    spec = StudySpec.model_validate(searched.study(CONFIRMATION).spec)
    assert (spec.resampling.fits, spec.resampling.nested, spec.comparison) == (REPEATS * FOLDS, True, None)


def test_an_ended_comparison_has_a_result(api: httpx.Client, store: Store, folder: Path) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, ["iris", *PARTS])
    before = api.get("/v1/studies/iris/comparison").json()
    assert (before["state"], before["result"], before["parts"][-1]["technique"]) == ("confirming", None, None)
    assert sweep_as_worker(store, folder, CONFIRMATION) == PLANNED
    found = api.get("/v1/studies/iris/comparison").json()
    assert (found["state"], {part["state"] for part in found["parts"]}) == ("completed", {"completed"})
    result: dict[str, Any] = found["result"]
    assert [row["technique"] for row in result["techniques"]] == list(TECHNIQUES)
    assert [row["fits"] for row in result["techniques"]] == [REPEATS * FOLDS] * 3
    assert all(row["test_objective"] > 0 and row["seconds"] >= 0 for row in result["techniques"])
    answer = result["recommendation"]
    # Of the training by formula column 2 has the largest weights in every fit.
    found_best = answer["technique"], answer["verdict"], answer["selected_features"]
    assert found_best == ("l1", "clear", ["petal length (cm)"])
    assert len(list((folder / "studies" / str(store.study(CONFIRMATION).id)).rglob("*.keras"))) == 3


def test_a_comparison_that_is_stopped_while_it_confirms_shows_what_it_has(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, ["iris", *PARTS])
    # The first repeat of all, the second of the first technique, and one fold of the next.
    last = len(TECHNIQUES) * FOLDS + FOLDS + 1
    seen: list[int] = []

    def stopped_on_the_way(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        seen.append(job.fold)
        if len(seen) == last:
            api.post("/v1/studies/iris/comparison/stop").raise_for_status()
        return train(job, data, on_epoch)

    sweep_as_worker(store, folder, CONFIRMATION, stopped_on_the_way)
    found = api.get("/v1/studies/iris/comparison").json()
    assert (found["state"], found["parts"][-1]["state"], len(seen)) == ("stopped", "stopped", last)
    # Compared on the folds that all techniques have.
    assert [row["fits"] for row in found["result"]["techniques"]] == [FOLDS, FOLDS, FOLDS]
    assert {row["test_objective"] for row in found["result"]["techniques"]} == {None}
    assert _in_optuna(store) == [TrialState.COMPLETE] * 4 + [TrialState.PRUNED]
    assert WorkerStore(store).next_study() is None


def test_a_technique_that_fails_is_left_out_of_the_confirmation(api: httpx.Client, store: Store, folder: Path) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    sweep_all(store, folder, PARTS[:1], diverge)
    sweep_all(store, folder, PARTS[1:])
    assert len(places(store, CONFIRMATION)) == len(TECHNIQUES[1:])
    assert sweep_as_worker(store, folder, CONFIRMATION) == len(TECHNIQUES[1:]) * (REPEATS + 1)
    found = api.get("/v1/studies/iris/comparison").json()
    result = found["result"]
    assert found["state"] == "completed"
    assert [row["technique"] for row in result["techniques"]] == list(TECHNIQUES[1:])
    assert "no regularization could not be compared" in result["recommendation"]["warnings"][0]
    assert not any("L1" in warning for warning in result["recommendation"]["warnings"])


@pytest.mark.parametrize("failing", [2, 3])
def test_a_comparison_that_has_fewer_than_two_techniques_left_is_failed(
    store: Store, folder: Path, failing: int
) -> None:
    store.create_study(compared_study())
    sweep_all(store, folder, PARTS[:failing], diverge)
    sweep_all(store, folder, PARTS[failing:])
    assert store.study("iris").comparison_state == "failed"
    assert CONFIRMATION not in states(store)


def test_a_search_that_cannot_run_at_all_does_not_hold_the_others_up(store: Store, folder: Path) -> None:
    store.create_study(compared_study())
    WorkerStore(store).fail_study(store.study(PARTS[0]).id, "no memory", "a")
    sweep_all(store, folder, PARTS[1:])
    assert (states(store)[PARTS[0]], store.study("iris").comparison_state) == ("failed", "confirming")
    WorkerStore(store).fail_study(store.study(CONFIRMATION).id, "no memory", "a")
    assert store.study("iris").comparison_state == "failed"


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("way", ["handed back", "lease lost", "given up"])
def test_a_worker_that_dies_loses_no_planned_trial_and_none_is_run_twice(
    searched: Store, folder: Path, begun: bool, way: str
) -> None:
    dying = ledger(searched, folder, CONFIRMATION, "dying")
    ended = claimed(dying)
    dying.close(ended, _open(dying, ended), of_folds(ended))
    held = dying.claim(3)
    assert len(held) == len(TECHNIQUES) - 1  # what is left of the first round
    if begun:
        for claim in held:
            _open(dying, claim)
    if way == "handed back":
        for claim in held:
            dying.hand_back(claim)
    elif way == "given up":
        WorkerStore(searched).end_attempts("dying", Ending.LOST, "a test")
    else:
        expire(searched)
    assert sweep_as_worker(searched, folder, CONFIRMATION) == PLANNED - 1
    for claim in held:
        with pytest.raises(LeaseLostError):
            dying.close(claim, claim.slot, of_folds(claim))
    trials = places(searched, CONFIRMATION)
    assert [(trial.state, trial.number) for trial in trials] == [("COMPLETE", place) for place in range(PLANNED)]
    assert _in_optuna(searched) == [TrialState.COMPLETE] * PLANNED
    assert [trial.attempt for trial in trials] == [1] + [1 if way == "handed back" else 2] * 2 + [1] * (PLANNED - 3)
    assert searched.study("iris").comparison_state == "completed"
