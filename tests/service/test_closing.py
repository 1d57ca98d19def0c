"""A close tells both books at once, and the study ends with its budget, its time or its failures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from service.storage.store import Store
from service.views.trials import trial_view
from studies.sweep.ledger import Order
from tests.service.documents import study, trial_result
from tests.service.ledgers import claimed, expire, ledger, opened, outcome, report, run, set_back, shown


def _told(store: Store) -> list[FrozenTrial]:
    return shown(store)


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL], ids=lambda s: s.name)
def test_both_books_say_the_same_of_a_closed_trial(store: Store, folder: Path, state: TrialState) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    report(book, claim, number, 1, 0.75)
    book.close(claim, number, outcome(0.5, state))
    ours, theirs = store.trial("iris", number), _told(store)[number]
    assert ours.state == theirs.state.name == state.name
    assert ours.values == ([0.5] if state == TrialState.COMPLETE else None)
    assert theirs.values == ours.values
    assert (ours.token, ours.lease_expires_at, ours.reason) == (None, None, outcome(state=state).reason)
    assert theirs.intermediate_values == {1: 0.75}
    assert theirs.user_attrs.get("reason") == ("it diverged" if state == TrialState.FAIL else None)


def test_a_closed_trial_keeps_all_that_its_training_gave(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    number = run(ledger(store, folder, "iris"), spec, 0.5)
    kept, given = store.trial("iris", number), trial_result(0.5)
    assert (kept.metrics, kept.weights) == (given.metrics, given.weights)
    assert (kept.epochs, kept.best_epoch, kept.stopped_early) == (given.epochs, given.best_epoch, False)
    assert store.curve(kept) == given.curve
    assert kept.ended_at is not None
    assert kept.started_at is not None
    assert kept.ended_at >= kept.started_at


def test_what_is_not_finite_is_kept_as_null(store: Store, folder: Path) -> None:
    spec = study(trials=1)
    store.create_study(spec)
    number = run(ledger(store, folder, "iris"), spec, float("nan"), TrialState.PRUNED)
    kept = store.trial("iris", number)
    assert kept.metrics is not None
    assert kept.metrics["val_loss"] is None
    nothing = [None, None, None]
    assert store.curve(kept) == {"epoch": [1.0, 2.0, 3.0], "loss": nothing, "val_loss": nothing}


def test_a_trial_told_twice_counts_once(store: Store, folder: Path) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    book.close(claim, number, outcome(0.5))
    with pytest.raises(Exception, match="another worker runs this trial now"):
        book.close(claim, number, outcome(0.1))
    assert [trial.value for trial in _told(store)] == [0.5]


def test_the_study_completes_with_its_last_trial_and_not_before(store: Store, folder: Path) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec)
    assert store.study("iris").state == "running"
    run(book, spec, state=TrialState.FAIL)
    ended = store.study("iris")
    assert (ended.state, ended.reason) == ("completed", None)
    assert ended.ended_at is not None


def test_failures_beyond_those_that_are_borne_fail_the_study(store: Store, folder: Path) -> None:
    spec = study(budget={"trials": 5, "epochs": 3, "max_failed_trials": 1})
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec, state=TrialState.FAIL)
    assert store.study("iris").state == "running"
    run(book, spec, state=TrialState.FAIL)
    failed = store.study("iris")
    assert (failed.state, failed.reason) == ("failed", "2 trials failed and budget.max_failed_trials is 1")
    assert store.progress([failed])[failed.id].waiting == 0
    assert book.claim(1) == []


def test_the_study_ends_when_its_time_is_up(store: Store, folder: Path) -> None:
    spec = study(budget={"trials": 5, "epochs": 3, "timeout_seconds": 60})
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec)
    set_back(store, 61)
    assert book.claim(1) == []
    ended = store.study("iris")
    assert (ended.state, ended.reason) == ("completed", "budget.timeout_seconds of 60 ran out")
    assert store.progress([ended])[ended.id].complete == 1


def test_a_study_without_a_complete_trial_failed_and_says_why(store: Store, folder: Path) -> None:
    spec = study(trials=4)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec, state=TrialState.PRUNED)
    for _ in range(3):
        run(book, spec, state=TrialState.FAIL)
    ended = store.study("iris")
    why = "no trial is complete: 3 failed, 1 pruned; most often: it diverged"
    assert (ended.state, ended.reason) == ("failed", why)


@pytest.mark.parametrize("last", ["complete", "pruned", "lost"])
def test_what_a_study_gave_is_known_when_the_last_trial_that_its_time_cut_has_ended(
    store: Store, folder: Path, last: str
) -> None:
    spec = study(budget={"trials": 5, "epochs": 3, "timeout_seconds": 60})
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    set_back(store, 61)
    assert report(book, claim, number, 2, 0.5) is Order.END
    out = "budget.timeout_seconds of 60 ran out"
    assert (store.study("iris").state, store.study("iris").reason) == ("completed", out)
    if last == "lost":
        expire(store)
    else:
        book.close(claim, number, outcome(state=TrialState[last.upper()]))
    ended = store.study("iris")
    if last == "complete":
        assert (ended.state, ended.reason) == ("completed", out)
    else:
        assert ended.state == "failed"
        assert str(ended.reason).startswith(f"{out}; no trial is complete: 1 pruned; most often: ")


def test_a_trial_that_was_cut_shows_it(store: Store, folder: Path) -> None:
    spec = study(trials=2)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    run(book, spec)
    claim, number = opened(book, spec)
    book.close(claim, number, replace(outcome(0.1), reason="cut after 3 epochs, when the study ended"))
    whole, cut = (trial_view(store.trial("iris", number)) for number in (0, 1))
    assert (whole.cut, whole.reason) == (False, None)
    assert (cut.cut, cut.state, cut.reason) == (True, "COMPLETE", "cut after 3 epochs, when the study ended")
    # As the dashboard shows it.
    assert [trial.user_attrs.get("reason") for trial in shown(store)] == [None, cut.reason]


def test_a_comparison_waits_for_the_trials_that_the_time_of_its_searches_cut(store: Store, folder: Path) -> None:
    comparison = {"techniques": ["none", "l1"], "trials_per_technique": 1}
    store.create_study(study(comparison=comparison, budget={"trials": 1, "epochs": 3, "timeout_seconds": 60}))
    running = []
    for part in ("iris: none", "iris: l1"):
        book = ledger(store, folder, part)
        running.append((book, *opened(book, store.study(part).parsed_spec)))
    set_back(store, 61)
    for book, claim, number in running:
        assert report(book, claim, number, 1, 0.5) is Order.END
    assert store.study("iris").comparison_state == "searching"
    for book, claim, number in running:
        book.close(claim, number, outcome())
    assert store.study("iris").comparison_state == "confirming"


def test_a_trial_that_runs_past_the_studys_time_ends_at_its_next_epoch(store: Store, folder: Path) -> None:
    spec = study(budget={"trials": 5, "epochs": 3, "timeout_seconds": 60})
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    assert report(book, claim, number, 1, 0.5) is Order.GO_ON
    set_back(store, 61)
    assert report(book, claim, number, 2, 0.5) is Order.END


def test_time_that_is_not_up_ends_nothing(store: Store, folder: Path) -> None:
    spec = study(budget={"trials": 5, "epochs": 3, "timeout_seconds": 3600})
    store.create_study(spec)
    set_back(store, 60)
    claimed(ledger(store, folder, "iris"))
    assert store.study("iris").state == "running"


def test_a_leaving_worker_is_told_to_hand_back(store: Store, folder: Path) -> None:
    spec = study()
    store.create_study(spec)
    leaving: list[bool] = []
    book = ledger(store, folder, "iris", leaving=lambda: bool(leaving))
    claim, number = opened(book, spec)
    assert report(book, claim, number, 1, 0.5) is Order.GO_ON
    leaving.append(True)
    assert report(book, claim, number, 2, 0.5) is Order.HAND_BACK
