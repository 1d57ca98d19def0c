"""A comparison is confirmed in rounds: what follows a round is planned with its end, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts
from service.storage.comparison_store import ComparisonStore
from service.storage.findings import comparison
from service.storage.invariants import violations
from service.storage.ledger import TrialLedger
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.analysis.results import Comparison
from studies.datasets.preprocessing import PreparedData
from studies.errors import LeaseLostError
from studies.plan import Plan
from studies.search.mirror import planned_template
from studies.sweep.ledger import Claim
from studies.training.result import Job, OnEpoch, Trained
from studies.training.sequential import Train
from tests.service.comparing import CONFIRMATION, diverge, of_folds, places, states, sweep_all, sweep_as_worker
from tests.service.documents import document, study, trial_result, write_model
from tests.service.ledgers import claimed, expire, ledger, study_names

TECHNIQUES = ("none", "l1", "dropout", "combined")
PARTS = [f"iris: {technique}" for technique in TECHNIQUES]
FOLDS, REPEATS = 3, 3  # in three rounds of a repeat each
ASKED: dict[str, Any] = {
    "techniques": list(TECHNIQUES), "repeats": REPEATS, "folds": FOLDS, "trials_per_technique": 1, "deliver": "split",
}  # fmt: skip
#: All combined is always of three parts.
SPACE = {"regularizer": "l1", "lambda": 0.01, "dropout": 0.2, "patience": 2}
MIXED = ["dropout+early_stopping", "l1+early_stopping", "l1+dropout"]
#: What surely loses: all without L1.
SURELY = {"none", "dropout", "dropout+early_stopping"}


def loss_of(job: Job) -> float:
    """L1 gives a third of the loss, dropout a little less still; seeds and folds disturb it a little."""
    layer = job.hyperparameters.regularization.layers[0]
    loss = (0.3 if layer.kernel.kind == "l1" else 0.9) - 0.004 * (layer.dropout > 0)
    return loss + job.seed % 97 / 9700 + job.fold / 1000


def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    loss = loss_of(job)
    on_epoch(1, {"loss": loss, "val_loss": loss, "val_accuracy": 1 / (1 + loss)})
    result = trial_result(loss, 1)
    test = {"test_loss": loss, "test_accuracy": 1 / (1 + loss)} if job.measures_test else {}
    return Trained(replace(result, metrics={**result.metrics, **test}), write_model)


def begun(store: Store, folder: Path, *, searches: Sequence[str] = PARTS, **changes: Any) -> Store:
    """A comparison whose searches have ended."""
    store.create_study(study(comparison=ASKED | changes, space=SPACE))
    sweep_all(store, folder, searches, train)
    return store


def planned(store: Store) -> list[Plan]:
    return [Plan.read(each.plan or {}) for each in places(store, CONFIRMATION)]


def by_round(store: Store) -> list[list[tuple[str, int]]]:
    """Who is given which repeat, round by round, each with its own set of candidates that race."""
    found: list[list[tuple[str, int]]] = []
    racing: Sequence[str] | None = None
    for plan in planned(store):
        if plan.test:
            continue
        if plan.racing != racing:
            found.append([])
            racing = plan.racing
        found[-1].append((plan.technique, plan.folds[0] // FOLDS))
    return found


def result(store: Store) -> Comparison:
    found = comparison(store, store.study("iris"))
    assert found is not None
    return found


def told(found: Comparison) -> Any:
    """A result without the time that searches took."""
    return replace(found, techniques=[replace(row, seconds=None) for row in found.techniques])


def sound(store: Store, folder: Path) -> None:
    assert violations(store, Artifacts(f"file://{folder}")) == []


@dataclass
class Watching:
    """A training that does something before the first fold of one place; what it was given."""

    place: int
    act: Callable[[], object]
    jobs: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        self.jobs.append((job.number, job.fold))
        if job.number == self.place and self.jobs.count((job.number, job.fold)) == 1:
            act, self.act = self.act, lambda: None
            act()
        return train(job, data, on_epoch)


def swept(store: Store, folder: Path, training: Train = train) -> int:
    return sweep_as_worker(store, folder, CONFIRMATION, training)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A comparison that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("finished")
    store = Store(f"sqlite:///{folder / 'regsweep.db'}")
    begun(store, folder)
    swept(store, folder)
    yield store
    store.close()


# What a round is


def test_what_surely_lost_gets_no_more_folds_and_cocktails_catch_up(finished: Store) -> None:
    store = finished
    left = ["l1", "combined", *MIXED]
    caught_up = [*((name, 0) for name in MIXED), *((name, 1) for name in left)]
    first = [(name, 0) for name in TECHNIQUES]
    assert by_round(store) == [first, caught_up, [(name, 2) for name in left if name not in SURELY]]
    rows = {row.technique: row for row in result(store).techniques}
    assert list(rows) == [*TECHNIQUES, *MIXED]
    assert {name for name, row in rows.items() if row.raced_out} == SURELY
    fits = {name: row.fits // FOLDS for name, row in rows.items()}
    assert fits == dict.fromkeys(rows, 3) | {"none": 1, "dropout": 1, "dropout+early_stopping": 2}
    # At last each is measured once on the test part, what has lost too.
    last = [plan for plan in planned(store) if plan.test]
    assert [(plan.technique, list(plan.folds)) for plan in last] == [(name, [FOLDS * REPEATS]) for name in rows]
    assert all(row.test_objective is not None for row in rows.values())
    assert states(store)[CONFIRMATION] == store.study("iris").comparison_state == "completed"


def test_cocktails_are_made_of_what_was_searched(finished: Store) -> None:
    store = finished
    params = {plan.technique: plan.params for plan in planned(store)}
    for name, part in zip(TECHNIQUES, PARTS, strict=True):
        assert params[name] == store.best(store.study(part))[0].params
    combined = dict(params["combined"])
    assert params["l1+dropout"] == combined | {"patience": None}
    assert params["l1+early_stopping"] == combined | {"dropout": 0.0}
    assert params["dropout+early_stopping"] == combined | {"regularizer": "none", "lambda": None}
    rows = {row.technique: row for row in result(store).techniques}
    assert {name: list(rows[name].parts) for name in MIXED} == {name: name.split("+") for name in MIXED}
    assert {rows[name].seconds is None for name in MIXED} == {True}
    assert {row.training_seconds for row in rows.values()} == {0.25}


def test_without_racing_and_cocktails_every_technique_has_all_folds(store: Store, folder: Path) -> None:
    begun(store, folder, racing=False, cocktails=False)
    assert swept(store, folder) == len(TECHNIQUES) * (REPEATS + 1)
    assert [plan.technique for plan in planned(store)] == [*TECHNIQUES] * (REPEATS + 1)
    assert [(row.fits, row.raced_out) for row in result(store).techniques] == [(FOLDS * REPEATS, False)] * 4


def test_a_comparison_of_one_repeat_has_one_round(store: Store, folder: Path) -> None:
    begun(store, folder, repeats=1)
    assert swept(store, folder) == 2 * len(TECHNIQUES)
    assert {row.technique for row in result(store).techniques} == set(TECHNIQUES)


# When it begins


def test_a_round_begins_in_the_transaction_that_ends_the_last(store: Store, folder: Path) -> None:
    begun(store, folder)
    seen: list[tuple[int, int, int, str]] = []
    part = store.study(CONFIRMATION).id

    @sa.event.listens_for(store.optuna.engine, "commit")
    def look(connection: sa.Connection) -> None:
        # What is about to stand, seen from within: no crash can come in between.
        [[spec, state]] = connection.execute(sa.select(StudyRecord.spec, StudyRecord.state).filter_by(id=part))
        of = connection.execute(sa.select(TrialRecord.state).where(TrialRecord.study_id == part)).scalars().all()
        unfinished = sum(each in ("WAITING", "RUNNING") for each in of)
        seen.append((spec["budget"]["trials"], len(of), unfinished, state))

    checked: list[int] = []

    def checking(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        if (budget := len(places(store, CONFIRMATION))) not in checked:  # the first training of a round
            sound(store, folder)
            checked.append(budget)
        return train(job, data, on_epoch)

    swept(store, folder, checking)
    sound(store, folder)
    assert all(budget == there for budget, there, _, _ in seen)
    assert all((unfinished > 0) == (state in ("queued", "running")) for _, _, unfinished, state in seen)
    sizes = [4, 4 + 3 + 5, 12 + 4, 16 + 7]  # techniques; cocktails that catch up; without what has lost; the test part
    assert list(dict.fromkeys(budget for budget, *_ in seen)) == checked == sizes
    assert store.progress([store.study(CONFIRMATION)])[part].complete == sizes[-1]


def opened(book: TrialLedger, held: Claim) -> None:
    """Record the trial of a claim as running, unless an earlier attempt has."""
    assert held.plan is not None
    if held.number is None:
        book.open(held, planned_template(held.slot, held.plan), held.plan.params)


def _but_the_last(store: Store, folder: Path) -> Claim:
    """All trials of the first round have ended but one, which is running."""
    stand = Watching(len(TECHNIQUES) - 1, lambda: store.set_state("iris", StudyState.PAUSED))
    swept(store, folder, stand)
    assert [place.state for place in places(store, CONFIRMATION)] == ["COMPLETE"] * 3 + ["WAITING"]
    store.set_state("iris", StudyState.RUNNING)
    book = ledger(store, folder, CONFIRMATION, "dying")
    return claimed(book)


@pytest.mark.parametrize(("way", "open_"), [("handed back", False), ("lease lost", True)])
def test_a_worker_that_dies_with_the_last_trial_of_a_round_loses_nothing(
    store: Store, folder: Path, way: str, open_: bool
) -> None:
    begun(store, folder, repeats=2)
    held = _but_the_last(store, folder)
    dying = ledger(store, folder, CONFIRMATION, "dying")
    if open_:
        opened(dying, held)
    if way == "handed back":
        dying.hand_back(held)
    else:
        expire(store)
    assert len(places(store, CONFIRMATION)) == len(TECHNIQUES)
    sound(store, folder)
    swept(store, folder)
    with pytest.raises(LeaseLostError):
        dying.end_attempt(held, held.slot, "failed", "too late")
    assert [place.state for place in places(store, CONFIRMATION)] == ["COMPLETE"] * (4 + 8 + 7)
    assert [len(part) for part in by_round(store)] == [4, 8]
    sound(store, folder)


def test_a_trial_that_is_given_up_ends_its_round_too(store: Store, folder: Path) -> None:
    budget = {"trials": 4, "epochs": 3, "max_attempts": 1}
    store.create_study(study(comparison=ASKED | {"repeats": 2}, space=SPACE, budget=budget))
    sweep_all(store, folder, PARTS, train)
    _but_the_last(store, folder)
    expire(store)
    sound(store, folder)
    assert [place.state for place in places(store, CONFIRMATION)] == ["COMPLETE"] * 3 + ["FAIL"] + ["WAITING"] * 8
    swept(store, folder)
    sound(store, folder)
    # All combined was never measured on a fold, so it is not compared, and its mixtures are.
    found = result(store)
    assert [row.technique for row in found.techniques] == ["none", "l1", "dropout", *MIXED]
    assert any("all combined" in warning for warning in found.recommendation.warnings)


def test_a_round_whose_trials_all_diverge_ends_the_comparison_without_a_result(store: Store, folder: Path) -> None:
    begun(store, folder)
    assert swept(store, folder, diverge) == 2 * len(TECHNIQUES)
    assert store.study("iris").comparison_state == "failed"
    assert "no trial is complete: 8 failed" in str(store.study(CONFIRMATION).reason)
    assert comparison(store, store.study("iris")) is None
    sound(store, folder)


def test_two_workers_that_end_a_round_at_once_plan_the_next_one_once(store: Store, folder: Path) -> None:
    begun(store, folder)
    at_once = threading.Barrier(2, timeout=20)
    stand = Watching(2, lambda: store.set_state("iris", StudyState.PAUSED))
    swept(store, folder, stand)
    store.set_state("iris", StudyState.RUNNING)
    done: list[int] = []

    def end_one(name: str, held: Claim) -> None:
        book = ledger(store, folder, CONFIRMATION, name)
        opened(book, held)
        outcome = of_folds(held)
        at_once.wait()
        book.close(held, held.slot, outcome)
        done.append(held.slot)

    claims = {name: claimed(ledger(store, folder, CONFIRMATION, name)) for name in ("a", "b")}
    threads = [threading.Thread(target=end_one, args=each) for each in claims.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [2, 3]
    assert [len(part) for part in by_round(store)][:1] == [4]
    second = [(plan.technique, plan.folds[0]) for plan in planned(store)[4:]]
    assert len(second) == len(set(second)) > len(MIXED)
    assert {place.state for place in places(store, CONFIRMATION)[4:]} == {"WAITING"}
    sound(store, folder)


# In the middle of a round

SECOND = len(TECHNIQUES) + 2  # a place of the second round


@pytest.mark.parametrize("place", [len(TECHNIQUES) - 1, SECOND], ids=["the last of the first round", "the second"])
def test_a_comparison_that_was_paused_goes_on_with_the_round(
    store: Store, folder: Path, finished: Store, place: int
) -> None:
    begun(store, folder)
    swept(store, folder, Watching(place, lambda: store.set_state("iris", StudyState.PAUSED)))
    assert (WorkerStore(store).next_study(), states(store)[CONFIRMATION]) == (None, "paused")
    sound(store, folder)
    store.set_state("iris", StudyState.RUNNING)
    swept(store, folder)
    assert (told(result(store)), planned(store)) == (told(result(finished)), planned(finished))
    sound(store, folder)


def test_a_round_that_ends_while_its_study_is_paused_waits_for_it(store: Store, folder: Path) -> None:
    begun(store, folder, repeats=2)
    held = _but_the_last(store, folder)
    book = ledger(store, folder, CONFIRMATION, "dying")
    opened(book, held)
    store.set_state("iris", StudyState.PAUSED)
    book.close(held, held.slot, of_folds(held))
    assert (len(places(store, CONFIRMATION)), states(store)[CONFIRMATION]) == (12, "paused")
    assert ledger(store, folder, CONFIRMATION).claim(9) == []
    sound(store, folder)
    store.set_state("iris", StudyState.RUNNING)
    swept(store, folder)
    assert store.study("iris").comparison_state == "completed"


def test_a_comparison_that_is_stopped_in_a_round_compares_the_folds_that_all_have(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=document(comparison=ASKED, space=SPACE)).raise_for_status()
    sweep_all(store, folder, ["iris", *PARTS], train)

    def stop() -> None:
        api.post("/v1/studies/iris/comparison/stop").raise_for_status()

    last = Watching(SECOND + 2, stop)
    swept(store, folder, last)
    found = api.get("/v1/studies/iris/comparison").json()
    assert (found["state"], last.jobs[-1]) == ("stopped", (SECOND + 2, FOLDS))
    fits = {row["technique"]: (row["fits"], row["raced_out"]) for row in found["result"]["techniques"]}
    first = {"none": (FOLDS, True), "l1": (FOLDS, False), "dropout": (FOLDS, True), "combined": (FOLDS, False)}
    assert fits == first | dict.fromkeys(MIXED, (FOLDS, False))
    assert WorkerStore(store).next_study() is None
    assert [place.state for place in places(store, CONFIRMATION)] == ["COMPLETE"] * 8 + ["PRUNED"]
    sound(store, folder)
    # Nothing was trained on the study's own split yet.
    assert api.get("/v1/studies/iris/comparison/model").status_code == 404


def test_a_comparison_that_is_deleted_in_a_round_leaves_nothing(store: Store, folder: Path) -> None:
    begun(store, folder)
    last = Watching(SECOND, lambda: ComparisonStore(store).delete("iris"))
    swept(store, folder, last)
    assert last.jobs[-1] == (SECOND, 0)
    assert (list(states(store)), study_names(store)) == (["iris"], ["iris"])
    with pytest.raises(NotFoundError):
        store.study(CONFIRMATION)
    sound(store, folder)
