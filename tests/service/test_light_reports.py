"""A report that brings nothing costs little, and says as much as any other."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.records import TrialRecord
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.sweep.ledger import Claim, Order, Report, Standing
from tests.service.documents import study
from tests.service.ledgers import opened


def light(book: TrialLedger, *held: tuple[Claim, int]) -> Standing:
    return book.report([Report(claim, number, []) for claim, number in held])


def lease(store: Store, claim: Claim) -> float | None:
    with store.reading() as session:
        return session.get_one(TrialRecord, claim.trial_id).lease_expires_at


def holding(store: Store, folder: Path, now: list[float]) -> TrialLedger:
    holder = Holder("a", 30.0, clock=lambda: now[0])
    return TrialLedger(store, Artifacts(f"file://{folder}"), store.study("iris"), holder)


def test_a_report_without_news_learns_the_order_and_which_trials_are_lost(store: Store, folder: Path) -> None:
    spec = study(trials=3)
    store.create_study(spec)
    book = holding(store, folder, [0.0])
    first, second = opened(book, spec), opened(book, spec)
    assert light(book, first, second) == Standing(Order.GO_ON, frozenset())
    book.hand_back(first[0])
    [again] = book.claim(1)  # the same trial under another token
    assert (again.trial_id, again.token == first[0].token) == (first[0].trial_id, False)
    assert light(book, first, second) == Standing(Order.GO_ON, {first[1]})
    store.set_state("iris", StudyState.PAUSED)
    assert light(book, second) == Standing(Order.HAND_BACK, frozenset())
    store.set_state("iris", StudyState.STOPPED)
    assert light(book, second).order is Order.END
    store.delete_study("iris", force=True)
    assert light(book, second) == Standing(Order.END, {second[1]})


def test_reports_renew_the_leases_three_times_a_lease(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    now = [0.0]
    book = holding(store, folder, now)
    claim, number = opened(book, spec)
    leases = [lease(store, claim)]
    for now[0] in (0.0, 9.0, 10.0, 19.0, 20.0):
        light(book, (claim, number))
        leases.append(lease(store, claim))
    renewed = [after != before for before, after in pairwise(leases)]
    assert renewed == [True, False, True, False, True]
    book.report([Report(claim, number, [(1, 0.5)])])
    assert lease(store, claim) == leases[-1]
    WorkerStore(store).hand_back("a")
    now[0] = 21.0
    assert light(book, (claim, number)).lost == {number}
