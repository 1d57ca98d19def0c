"""The budget is a number of places: each is claimed once, by one worker, and lost with its lease only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from service.storage.reaper import Reaper
from service.storage.records import TrialRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.errors import LeaseLostError, NumberTakenError
from studies.search.mirror import Mirror, as_template
from tests.service.contenders import claim_all, processes
from tests.service.documents import study
from tests.service.ledgers import claimed, effective, everything, expire, ledger, opened, outcome, report, shown

PLACES = 40
PROCESSES = 4


def test_four_processes_of_two_threads_claim_every_place_once(store: Store, folder: Path) -> None:
    store.create_study(study(trials=PLACES))
    with processes(PROCESSES) as pool:
        futures = [pool.submit(claim_all, store.url, folder, "iris", 2) for _ in range(PROCESSES)]
        claims = [place for future in futures for place in future.result()]
    assert Counter(claims) == dict.fromkeys(range(1, PLACES + 1), 1)
    accepted = store.study("iris")
    assert store.progress([accepted])[accepted.id].running == PLACES


def test_the_first_claim_starts_the_study(store: Store, folder: Path) -> None:
    store.create_study(study())
    claimed(ledger(store, folder, "iris"))
    started = store.study("iris")
    assert started.state == "running"
    assert started.started_at is not None


def test_a_worker_that_claims_sees_what_another_has_done_since_its_last_claim(store: Store, folder: Path) -> None:
    spec = study(trials=12)
    store.create_study(spec)
    first, second = ledger(store, folder, "iris", "a"), ledger(store, folder, "iris", "b")

    def seen() -> list[tuple[int, str]]:
        claimed(first)
        return [(trial.number, trial.state.name) for trial in first.changed_trials()]

    assert first.trials() == []
    assert seen() == []
    claim, number = opened(second, spec)
    assert seen() == [(0, "RUNNING")]
    assert seen() == []
    second.close(claim, number, outcome())
    opened(second, spec)
    assert seen() == [(0, "COMPLETE"), (1, "RUNNING")]
    assert seen() == []
    store.mark_invalid("iris", 0, "its data was wrong")
    assert seen() == [(0, "FAIL"), (1, "RUNNING")]
    assert seen() == []


def test_a_number_that_is_taken_is_refused_and_leaves_nothing(store: Store, folder: Path) -> None:
    spec = study()
    store.create_study(spec)
    first, second = ledger(store, folder, "iris", "a"), ledger(store, folder, "iris", "b")
    late = as_template(Mirror(spec, second.trials()).ask())
    opened(first, spec)
    claim = claimed(second)
    before = everything(store, folder)
    with pytest.raises(NumberTakenError):
        second.open(claim, late, effective(spec, late))
    assert everything(store, folder) == before
    asked = as_template(Mirror(spec, second.trials()).ask())
    second.open(claim, asked, effective(spec, asked))
    assert [trial.number for trial in shown(store)] == [0, 1]


def test_a_lost_trial_is_claimed_again_with_its_number_before_any_new_one(store: Store, folder: Path) -> None:
    spec = study()
    store.create_study(spec)
    lost, number = opened(ledger(store, folder, "iris", "a"), spec)
    expire(store)
    again = claimed(ledger(store, folder, "iris", "b"))
    assert (again.trial_id, again.number) == (lost.trial_id, number)
    assert again.token != lost.token
    record = store.trial("iris", number)
    assert (record.attempt, record.worker, record.state) == (2, "b", "RUNNING")
    assert claimed(ledger(store, folder, "iris", "c")).trial_id != lost.trial_id


def test_a_renewed_lease_is_not_lost(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    claim, number = opened(ledger(store, folder, "iris", "a"), spec)
    now = [0.0]
    reaper = Reaper(WorkerStore(store), 30.0, lambda: now[0])
    renewals: list[Callable[[], object]] = [
        lambda: WorkerStore(store).renew("a", 600),
        lambda: report(ledger(store, folder, "iris", "a"), claim, number, 1, 0.5),
    ]

    def lost_within(seconds: int) -> int:
        for _ in range(seconds):
            now[0] += 1
            if reaper.look():
                return 1
        return 0

    for renew in renewals:
        assert not lost_within(29)
        renew()
        assert not lost_within(29)
        renew()
    assert lost_within(32)


def test_a_trial_handed_back_keeps_its_number_and_counts_no_attempt(store: Store, folder: Path) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    book = ledger(store, folder, "iris", "a")
    claim, number = opened(book, spec)
    book.hand_back(claim)
    again = claimed(ledger(store, folder, "iris", "b"))
    assert (again.trial_id, again.number) == (claim.trial_id, number)
    assert store.trial("iris", number).attempt == 1


def test_a_leaving_worker_claims_nothing(store: Store, folder: Path) -> None:
    store.create_study(study())
    assert ledger(store, folder, "iris", leaving=lambda: True).claim(1) == []


def test_a_lost_trial_of_a_stopped_study_is_closed_when_its_loss_is_seen(store: Store, folder: Path) -> None:
    spec = study()
    store.create_study(spec)
    _, number = opened(ledger(store, folder, "iris", "a"), spec)
    store.set_state("iris", StudyState.STOPPED)
    assert WorkerStore(store).next_study() is None
    expire(store)
    told = shown(store)
    assert [store.trial("iris", number).state, told[number].state.name] == ["PRUNED", "PRUNED"]
    assert WorkerStore(store).next_study() is None


def test_only_the_holder_of_the_token_may_close(store: Store, folder: Path) -> None:
    spec = study()
    store.create_study(spec)
    stale = ledger(store, folder, "iris", "a")
    lost, number = opened(stale, spec)
    expire(store)
    other = ledger(store, folder, "iris", "b")
    again = claimed(other)
    other.close(again, number, outcome(0.25))
    with pytest.raises(LeaseLostError):
        stale.close(lost, number, outcome(0.75))
    with store.engine.connect() as connection:
        assert connection.scalars(sa.select(TrialRecord.value).where(TrialRecord.number == number)).all() == [0.25]
