"""What is written into Optuna's tables in bulk is what Optuna's own storage writes, and is read as it reads it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from service.storage import optuna_reading, optuna_tables, transactions
from service.storage.store import Store
from studies.search.mirror import Mirror, as_template
from tests.service.documents import study
from tests.service.ledgers import shown

STEPS = [(1, 0.9), (2, 0.7), (4, 0.65)]
NOTED = {"completed_rung_0": 0.7}


@pytest.fixture(autouse=True)
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Optuna keeps UTC and speaks local time; on a machine in UTC the two look alike."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def templates(sampler: str) -> list[FrozenTrial]:
    """Trials as a sweep opens them, the later ones in view of the earlier."""
    mirror, asked = Mirror(study(sampler={"name": sampler}), []), []
    for _ in range(14):
        trial = mirror.ask()
        asked.append(as_template(trial))
        mirror.tell(trial, TrialState.COMPLETE, [trial.params["dropout"]])
    return asked


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "grid"])
@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING])
def test_rows_are_those_of_optunas_storage(store: Store, sampler: str, state: TrialState) -> None:
    values = [0.5] if state == TrialState.COMPLETE else None
    for name in ("ours", "theirs"):
        store.create_study(study(name))
    ours, theirs = (store.optuna.get_study_id_from_name(name) for name in ("ours", "theirs"))
    for template in templates(sampler):
        with transactions.transaction(store.optuna) as session:
            trial_id = optuna_tables.create_trial(session, ours, template)
            optuna_tables.set_intermediate_values(session, [(trial_id, 4, 9.9)])
            optuna_tables.set_intermediate_values(session, [(trial_id, step, value) for step, value in STEPS])
            optuna_tables.add_system_attributes(session, trial_id, NOTED)
            if state.is_finished():
                optuna_tables.finish_trial(session, trial_id, state, values)
        other = store.optuna.create_new_trial(theirs, template)
        for step, value in STEPS:
            store.optuna.set_trial_intermediate_value(other, step, value)
        for key, noted in NOTED.items():
            store.optuna.set_trial_system_attr(other, key, noted)
        if state.is_finished():
            store.optuna.set_trial_state_values(other, state, values)
    assert told(store.optuna.get_all_trials(ours)) == told(store.optuna.get_all_trials(theirs))


def told(trials: list[FrozenTrial]) -> list[dict[str, object]]:
    """All of each trial but its id and the moment it ended."""
    kept = []
    for trial in trials:
        assert (trial.datetime_complete is None) == (not trial.state.is_finished())
        fields = {name: value for name, value in vars(trial).items() if name not in ("_trial_id", "_datetime_complete")}
        kept.append(fields | {"datetime_complete": None})
    return kept


def test_trials_are_read_as_optuna_reads_them(store: Store, folder: Path) -> None:
    store.create_study(study("read"))
    id_ = store.optuna.get_study_id_from_name("read")
    for number, template in enumerate(templates("tpe")):
        with transactions.transaction(store.optuna) as session:
            trial_id = optuna_tables.create_trial(session, id_, template)
            optuna_tables.set_intermediate_values(session, [(trial_id, step, value) for step, value in STEPS])
            if number % 3:
                optuna_tables.finish_trial(session, trial_id, TrialState.COMPLETE, [number / 10])
    theirs = shown(store, "read")
    with store.reading() as session:
        assert optuna_reading.read_trials(session, id_, -1, ()) == theirs
        assert optuna_reading.read_trials(session, id_, 9, (2, 5)) == [theirs[n] for n in (2, 5, 10, 11, 12, 13)]
        assert optuna_reading.read_trials(session, id_, 13, ()) == []
