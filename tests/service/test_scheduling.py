"""Workers share themselves out: the highest priority first, then in turns, and what stands still costs no time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.comparison_store import ComparisonStore
from service.storage.ledger import TrialLedger
from service.storage.pagination import Sort
from service.storage.records import StudyRecord
from service.storage.states import Activity, StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.datasets.preprocessing import PreparedData
from studies.sweep.ledger import Order
from studies.training.result import Job, OnEpoch, Trained, TrainingState
from tests.acceptance.polling import eventually
from tests.service.comparing import COMPARISON, PARTS, compared_study
from tests.service.documents import EPOCHS, study, train, trial_result, write_model
from tests.service.ledgers import claimed, ledger, opened, outcome, report, run, set_back
from tests.service.working import working


def following(store: Store, worker: str = "") -> str | None:
    """The study that has most right to a worker."""
    found = WorkerStore(store).next_study(worker=worker)
    return None if found is None else found.name


def taken_up(store: Store, worker: str = "") -> str | None:
    """The same, and the worker turns to it."""
    found = WorkerStore(store).next_study(worker=worker)
    if found is not None:
        WorkerStore(store).begin_turn(found)
    return None if found is None else found.name


def turn_over(store: Store, folder: Path, name: str, worker: str = "a") -> TrialLedger:
    """The ledger of a worker whose turn is always over."""
    return TrialLedger(store, Artifacts(f"file://{folder}"), store.study(name), Holder(worker, 600.0, turn_seconds=0.0))


@pytest.fixture
def three(store: Store) -> Store:
    for name in ("first", "second", "third"):
        store.create_study(study(name, trials=9))
    return store


def test_studies_of_the_same_priority_are_served_in_turns(three: Store) -> None:
    assert [taken_up(three) for _ in range(7)] == ["first", "second", "third"] * 2 + ["first"]


def test_the_highest_priority_is_served_first_for_as_long_as_it_has_work(three: Store, folder: Path) -> None:
    three.change("third", priority=5)
    three.change("first", priority=-5)
    assert [taken_up(three) for _ in range(3)] == ["third"] * 3
    ledger(three, folder, "third").claim(9)
    assert [taken_up(three) for _ in range(3)] == ["second"] * 3
    ledger(three, folder, "second").claim(9)
    assert taken_up(three) == "first"


def test_a_worker_goes_where_the_fewest_others_are(three: Store, folder: Path) -> None:
    for name, workers in (("first", "ab"), ("third", "c")):
        for worker in workers:
            claimed(ledger(three, folder, name, worker))
    assert following(three, "d") == "second"
    claimed(ledger(three, folder, "second", "d"))
    claimed(ledger(three, folder, "second", "e"))
    assert following(three, "f") == "third"
    assert following(three, "c") == "third"  # itself does not count


def test_workers_that_hold_trials_count_beside_those_that_show_what_they_serve(three: Store, folder: Path) -> None:
    for worker, name in (("a", "first"), ("b", "second"), ("c", "second")):
        WorkerStore(three).show_worker(worker, Activity.TRAINING, three.study(name).id, 600.0)
    for worker in "de":
        claimed(ledger(three, folder, "third", worker))
    assert following(three, "f") == "first"
    for worker in "gh":
        claimed(ledger(three, folder, "first", worker))
    assert following(three, "f") == "second"  # whose last turn was no longer ago than that of the third


def test_two_workers_of_two_studies_do_not_change_places(three: Store, folder: Path) -> None:
    three.set_state("third", StudyState.STOPPED)
    at_work = (("first", "a"), ("second", "b"))
    for name, worker in at_work:
        WorkerStore(three).begin_turn(three.study(name))
        claimed(ledger(three, folder, name, worker))
    for name, worker in at_work:
        book = turn_over(three, folder, name, worker)
        assert book.report([]).order is Order.GO_ON
        assert len(book.claim(1)) == 1


def test_a_turn_ends_when_another_study_waited_for_longer(three: Store, folder: Path) -> None:
    first = three.study("first")
    WorkerStore(three).begin_turn(first)
    held = ledger(three, folder, "first")
    claim, number = opened(held, study("first", trials=9))
    assert report(held, claim, number, 1, 0.5) is Order.GO_ON  # its turn lasts
    over = turn_over(three, folder, "first")
    assert report(over, claim, number, 2, 0.5) is Order.HAND_BACK
    assert over.claim(1) == []
    over.hand_back(claim)
    assert taken_up(three, "a") == "second"


def test_a_turn_begins_when_the_program_is_ready(three: Store, folder: Path) -> None:
    now = [0.0]
    WorkerStore(three).begin_turn(three.study("first"))
    holder = Holder("a", 600.0, turn_seconds=60.0, clock=lambda: now[0])
    book = TrialLedger(three, Artifacts(f"file://{folder}"), three.study("first"), holder)
    now[0] = 300.0  # compiling took five minutes
    assert len(book.claim(1)) == 1
    now[0] = 359.0
    assert len(book.claim(1)) == 1
    now[0] = 361.0
    assert book.claim(1) == []


def test_a_study_alone_is_served_turn_after_turn(store: Store, folder: Path) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = turn_over(store, folder, "iris")
    assert [run(book, spec) for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(("priority", "order"), [(9, Order.GO_ON), (10, Order.GO_ON), (11, Order.HAND_BACK)])
def test_a_study_whose_places_are_all_taken_gives_way_only_to_one_with_more_right(
    store: Store, folder: Path, priority: int, order: Order
) -> None:
    mine, other = study("mine", trials=1, priority=10), study("other", priority=priority)
    store.create_study(mine)
    store.create_study(other)
    if priority == 10:  # it has had its turn since
        WorkerStore(store).begin_turn(store.study("mine"))
        WorkerStore(store).begin_turn(store.study("other"))
    claimed(ledger(store, folder, "mine"))
    assert turn_over(store, folder, "mine").report([]).order is order


def test_a_turn_is_that_of_a_study_with_all_parts_of_its_comparison(store: Store, folder: Path) -> None:
    store.create_study(compared_study(trials=1))
    run(ledger(store, folder, "iris"), study(trials=1))
    assert ledger(store, folder, PARTS[0]).claim(9)
    # Its next part waits, and is no other study.
    assert turn_over(store, folder, PARTS[0]).report([]).order is Order.GO_ON


def test_a_comparison_asked_for_later_waits_for_its_studys_turn(store: Store, folder: Path) -> None:
    for name in ("iris", "other"):
        store.create_study(study(name, trials=9))
    assert [taken_up(store), taken_up(store)] == ["iris", "other"]
    assert taken_up(store) == "iris"
    ledger(store, folder, "iris").claim(9)
    ComparisonStore(store).begin("iris", COMPARISON)
    assert following(store, "b") == "other"  # whose last turn is longer ago, and which nobody serves
    WorkerStore(store).hand_back("a")
    assert following(store, "b") == "other"


def test_a_comparison_has_its_studys_priority(store: Store) -> None:
    store.create_study(compared_study(priority=3))
    store.create_study(study("other", priority=4))
    assert {store.study(name).priority for name in ["iris", *PARTS]} == {3}
    assert following(store) == "other"
    store.change("iris", priority=5)
    assert {store.study(name).priority for name in ["iris", *PARTS]} == {5}
    assert following(store) == "iris"


def test_a_worker_of_one_study_leaves_it_for_no_other(store: Store, folder: Path) -> None:
    store.create_study(study("mine", trials=1))
    store.create_study(study("urgent", trials=1, priority=9))
    told: list[bool] = []

    def patient(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        leases: set[float] = set()
        while len(leases) < 4:  # its reports and the heartbeat renew it
            leases |= {ends for _, ends in WorkerStore(store).leases().values()}
            told.append(on_epoch(1, {"val_loss": 1.0}))
            if not told[-1]:
                break
        return train(job, data, lambda *_: True)

    with working(store, folder, patient, only="mine", turn_seconds=0.01):
        eventually(lambda: store.study("mine").state == "completed" or False in told, 20)
    assert set(told) == {True}
    assert store.study("urgent").state == "queued"


# Standing still


def counting(entries: list[list[int]]) -> Callable[[Job, PreparedData, OnEpoch], Trained]:
    """An engine whose trainings go on from the epoch they stood at; `entries` gets each one's epochs."""

    def run(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        done: list[dict[str, float]] = [] if job.state is None else list(job.state.facts["entries"])
        mine: list[int] = []
        entries.append(mine)
        while len(done) < EPOCHS:
            done.append({"val_loss": 1.0})
            mine.append(len(done))
            stood = [*done]
            if not on_epoch(len(done), done[-1], lambda stood=stood: TrainingState("counting", {"entries": stood}, [])):  # type: ignore[misc]
                break
        return Trained(trial_result(0.5, len(done)), write_model)

    return run


def test_a_paused_trial_goes_on_from_the_epoch_it_stood_at(store: Store, folder: Path) -> None:
    store.create_study(study(trials=1))
    entries: list[list[int]] = []
    engine = counting(entries)

    def paused_at_once(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        def stands(epoch: int, metrics: Any, state: Any = None, /) -> bool:
            if len(entries) == 1 and epoch == 1:
                store.set_state("iris", StudyState.PAUSED)
                # What the study wants is heard with the next report.
                return eventually(lambda: not on_epoch(epoch, metrics, state), 20) is None
            return on_epoch(epoch, metrics, state)

        return engine(job, data, stands)

    with working(store, folder, paused_at_once):
        eventually(lambda: store.study("iris").state == "paused" and not WorkerStore(store).leases(), 20)
        assert WorkerStore(store).next_study() is None
        store.set_state("iris", StudyState.RUNNING)
        eventually(lambda: store.study("iris").state == "completed", 20)
    assert entries == [[1], [2, 3]]
    [trial] = store.trials("iris", (), Sort.parse("number"), 9, None).items
    assert (trial.state, trial.epochs, trial.attempt) == ("COMPLETE", 3, 1)


def test_a_worker_that_hands_its_trial_back_turns_to_the_next_study_without_a_pause(store: Store, folder: Path) -> None:
    store.create_study(study("long", trials=1))
    entries: list[list[int]] = []
    engine = counting(entries)

    def goes_back_once(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        def stands(epoch: int, metrics: Any, state: Any = None, /) -> bool:
            if not entries[1:] and epoch == 1:
                store.create_study(study("urgent", trials=1, priority=9))
                return eventually(lambda: not on_epoch(epoch, metrics, state), 20) is None
            return on_epoch(epoch, metrics, state)

        return engine(job, data, stands)

    with working(store, folder, goes_back_once, turn_seconds=0.01, poll_seconds=600.0):
        eventually(lambda: [each.state for each in store.studies(None, 9, None).items] == ["completed"] * 2, 20)
    assert entries == [[1], [1, 2, 3], [2, 3]]


def test_a_study_of_a_later_version_waits_for_a_worker_that_can_read_it(store: Store, folder: Path) -> None:
    store.create_study(study("later", trials=1, priority=9))
    store.create_study(study("known", trials=1))
    with store.engine.begin() as connection:
        later = sa.update(StudyRecord).where(StudyRecord.name == "later")
        connection.execute(later.values(spec=store.study("later").spec | {"not yet known": 1}))
    with working(store, folder):
        eventually(lambda: store.study("known").state == "completed", 20)
    assert store.study("later").state == "queued"


TIMEOUT = {"trials": 9, "epochs": 3, "timeout_seconds": 1000}


def paused_for(store: Store, seconds: float) -> None:
    """Pause the study, so long ago, and go on."""
    store.set_state("iris", StudyState.PAUSED)
    with store.engine.begin() as connection:
        connection.execute(sa.update(StudyRecord).values(paused_at=StudyRecord.paused_at - seconds))
    store.set_state("iris", StudyState.RUNNING)


@pytest.mark.parametrize(("paused", "state"), [(400, "running"), (50, "failed")])
def test_the_time_in_pause_does_not_count_for_the_timeout(
    store: Store, folder: Path, paused: float, state: str
) -> None:
    store.create_study(study(budget=TIMEOUT))
    book = ledger(store, folder, "iris")
    book.hand_back(claimed(book))
    paused_for(store, paused / 2)
    paused_for(store, paused / 2)
    set_back(store, 1200)
    book.claim(1)
    assert store.study("iris").state == state


def test_a_pause_before_the_start_makes_the_timeout_no_longer(store: Store, folder: Path) -> None:
    store.create_study(study(budget=TIMEOUT))
    paused_for(store, 5000)
    book = ledger(store, folder, "iris")
    book.hand_back(claimed(book))
    set_back(store, 1200)
    assert book.claim(1) == []
    assert store.study("iris").state == "failed"
    assert store.study("iris").reason == "budget.timeout_seconds of 1000 ran out; no trial was begun"


def test_a_study_that_stands_still_does_not_run_out_of_time(store: Store, folder: Path) -> None:
    spec = study(budget=TIMEOUT)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    store.set_state("iris", StudyState.PAUSED)
    set_back(store, 5000)
    assert report(book, claim, number, 1, 0.5) is Order.HAND_BACK
    assert store.study("iris").state == "paused"
    book.close(claim, number, outcome())
    assert store.study("iris").state == "paused"


def test_a_comparison_stands_still_with_its_study_and_loses_no_time(store: Store, folder: Path) -> None:
    store.create_study(compared_study(budget=TIMEOUT))
    for name in ("iris", *PARTS):
        claimed(ledger(store, folder, name))
    WorkerStore(store).hand_back("a")
    paused_for(store, 5000)
    set_back(store, 5500)
    for name in ("iris", *PARTS):
        assert len(ledger(store, folder, name).claim(1)) == 1
