"""A worker whose trial is another's now, or whose study is gone, changes nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState

from service.storage.ledger import TrialLedger
from service.storage.store import Store
from studies.errors import LeaseLostError
from studies.search.mirror import Mirror, as_template
from studies.sweep.ledger import Claim
from tests.service.documents import study, write_model
from tests.service.ledgers import claimed, effective, everything, expire, ledger, opened, outcome, report

Write = Callable[[TrialLedger, Claim, int, Path], None]


def _report(book: TrialLedger, claim: Claim, number: int, model: Path) -> None:
    report(book, claim, number, 7, 0.125)


def _report_nothing(book: TrialLedger, claim: Claim, number: int, model: Path) -> None:
    report(book, claim, number, 7, None)


def _close(book: TrialLedger, claim: Claim, number: int, model: Path) -> None:
    book.close(claim, number, outcome(0.125))


def _fail(book: TrialLedger, claim: Claim, number: int, model: Path) -> None:
    book.close(claim, number, outcome(state=TrialState.FAIL))


def _hand_back(book: TrialLedger, claim: Claim, number: int, model: Path) -> None:
    book.hand_back(claim)


def _keep_model(book: TrialLedger, claim: Claim, number: int, model: Path) -> None:
    book.keep_model(claim, number, model)


WRITES: list[Write] = [_report, _report_nothing, _close, _fail, _hand_back, _keep_model]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("closed", [False, True], ids=["running", "closed"])
def test_a_write_with_a_stale_token_changes_nothing(
    store: Store, folder: Path, tmp_path: Path, write: Write, closed: bool
) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    stale = ledger(store, folder, "iris", "a")
    lost, number = opened(stale, spec)
    expire(store)
    heir = ledger(store, folder, "iris", "b")
    again = claimed(heir)
    if closed:
        heir.close(again, number, outcome(0.5))
    write_model(tmp_path / "model.keras")
    before = everything(store, folder)
    with pytest.raises(LeaseLostError):
        write(stale, lost, number, tmp_path / "model.keras")
    assert everything(store, folder) == before


def test_a_stale_token_opens_no_trial(store: Store, folder: Path) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    stale = ledger(store, folder, "iris", "a")
    lost = claimed(stale)
    template = as_template(Mirror(spec, stale.trials()).ask())
    expire(store)
    claimed(ledger(store, folder, "iris", "b"))
    before = everything(store, folder)
    with pytest.raises(LeaseLostError):
        stale.open(lost, template, effective(spec, template))
    assert everything(store, folder) == before


@pytest.mark.parametrize("write", WRITES)
def test_a_worker_of_a_deleted_study_has_lost_its_lease(
    store: Store, folder: Path, tmp_path: Path, write: Write
) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    store.delete_study("iris", force=True)
    write_model(tmp_path / "model.keras")
    before = everything(store, folder)
    with pytest.raises(LeaseLostError):
        write(book, claim, number, tmp_path / "model.keras")
    assert everything(store, folder) == before


def test_a_deleted_study_gives_its_worker_no_claim_and_no_trials(store: Store, folder: Path) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    opened(book, spec)
    store.delete_study("iris", force=True)
    assert book.claim(1) == []
    assert book.trials() == []
