"""A worker that comes back to a study reads only the trials that had not ended when it left, and knows all of them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from optuna.distributions import FloatDistribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial

from service.storage import optuna_tables, transactions
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ended_trials import EndedTrials, Version
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from tests.service.documents import study
from tests.service.ledgers import ledger, opened, outcome, run
from tests.service.meddling import add_trials

SPEC = study(trials=9)


def turn(store: Store, folder: Path, kept: EndedTrials) -> TrialLedger:
    """The ledger of a worker's next turn."""
    return TrialLedger(store, Artifacts(f"file://{folder}"), store.study("iris"), Holder("a", 600.0), kept)


def facts(trials: list[FrozenTrial]) -> list[tuple[object, ...]]:
    return [(trial.number, trial.state, trial.values, trial.params) for trial in trials]


def test_a_turn_knows_what_a_first_turn_would(store: Store, folder: Path) -> None:
    store.create_study(SPEC)
    kept, other = EndedTrials(), ledger(store, folder, "iris", "b")
    run(other, SPEC, 0.3)
    running = opened(other, SPEC)
    book = turn(store, folder, kept)
    assert [trial.state for trial in book.trials()] == [TrialState.COMPLETE, TrialState.RUNNING]
    run(book, SPEC, 0.2)
    other.close(*running, outcome(0.1))
    run(other, SPEC, state=TrialState.PRUNED)
    run(other, SPEC, state=TrialState.FAIL)
    book = turn(store, folder, kept)
    assert facts(book.trials()) == facts(ledger(store, folder, "iris").trials())
    assert book.changed_trials() == []
    store.mark_invalid("iris", 1, "a test")
    assert (1, TrialState.FAIL) in [(trial.number, trial.state) for trial in book.changed_trials()]
    store.mark_invalid("iris", 0, "a test")
    book = turn(store, folder, kept)
    assert facts(book.trials()) == facts(ledger(store, folder, "iris").trials())
    assert [trial.state for trial in book.trials()].count(TrialState.FAIL) == 3


def test_what_had_ended_is_not_read_again(store: Store, folder: Path) -> None:
    store.create_study(SPEC)
    kept = EndedTrials()
    for loss in (0.3, 0.2):
        run(ledger(store, folder, "iris", "b"), SPEC, loss)
    before = turn(store, folder, kept).trials()
    with store.engine.begin() as connection:
        connection.execute(sa.delete(models.TrialParamModel))
    assert facts(turn(store, folder, kept).trials()) == facts(before)
    assert [trial.params for trial in turn(store, folder, EndedTrials()).trials()] == [{}, {}]


def test_no_number_is_missing_when_another_program_added_a_trial_and_deleted_it(store: Store, folder: Path) -> None:
    store.create_study(SPEC)
    kept, other = EndedTrials(), ledger(store, folder, "iris", "b")
    run(other, SPEC, 0.3)
    add_trials(store.optuna, "iris")
    run(other, SPEC, 0.2)
    before = turn(store, folder, kept).trials()
    with transactions.transaction(store.optuna) as session:
        of_added = models.TrialModel.number.in_([1, 2, 3])
        added = session.scalars(sa.select(models.TrialModel.trial_id).where(of_added)).all()
        for trial_id in added:
            optuna_tables.delete_trial(session, trial_id)
    assert len(added) == 3
    assert facts(turn(store, folder, kept).trials()) == facts(before)
    assert [trial.number for trial in before] == [0, 1, 2, 3, 4]


def test_the_study_served_the_longest_ago_is_forgotten_first() -> None:
    kept = EndedTrials(max_trials=4)
    first, second, third = (Version(number, number, 0) for number in range(3))
    for version in (first, second, first, third):
        kept.add(version, [_ended(0), _ended(1)])
    assert [len(kept.of(version)) for version in (first, second, third)] == [2, 0, 2]
    kept.add(third, [_ended(number) for number in range(9)])  # more than there is room for: it is served now
    assert [len(kept.of(version)) for version in (first, second, third)] == [0, 0, 9]


def _ended(number: int) -> FrozenTrial:
    trial = create_trial(value=0.5, params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)})
    trial.number = number
    return trial
