"""What must hold after every scenario, whatever was killed in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import optuna
import sqlalchemy as sa

from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.records import AttemptRecord, StudyRecord, TrialRecord
from service.storage.states import ENDED_TRIAL
from service.storage.store import Store
from tests.chaos.stub import recomputed


@dataclass(frozen=True)
class Count:
    """How the trials of the ended studies of a database ended, and their attempts."""

    trials: Counter[str]
    attempts: Counter[str | None]

    def __str__(self) -> str:
        others = sorted((str(ending), n) for ending, n in self.attempts.items() if ending != "told")
        setbacks = ", ".join(f"{n} {ending}" for ending, n in others)
        trials = ", ".join(f"{n} {state}" for state, n in sorted(self.trials.items()))
        return f"{trials}; {self.attempts['told']} told once{', attempts: ' if setbacks else ''}{setbacks}"


def verify(store: Store, artifacts: Artifacts, value_of: Callable[[bytes], float] = recomputed) -> Count:
    """Hold everything against the promise: the budget exactly, each trial told at most once, the best recomputable.

    `value_of` gives the value of the trial whose model it gets.
    """
    assert violations(store, artifacts) == []
    with store.reading() as session:
        studies = session.scalars(sa.select(StudyRecord)).all()
        trials = session.scalars(sa.select(TrialRecord)).all()
        attempts = session.scalars(sa.select(AttemptRecord)).all()
    for study in studies:
        budget, repeats = study.spec["budget"]["trials"], study.parsed_spec.repeats_of_best
        own = [trial for trial in trials if trial.study_id == study.id and trial.slot < budget]
        again = [trial for trial in trials if trial.study_id == study.id and trial.slot >= budget]
        states = Counter(trial.state for trial in own)
        assert study.state == "completed", (study.name, study.state, study.reason)
        assert sum(states[ended] for ended in ENDED_TRIAL) == budget, states
        assert [trial.state for trial in again] == ["COMPLETE"] * repeats, again
        numbers = [trial.number for trial in own]
        assert sorted(n for n in numbers if n is not None) == list(range(len(own))), numbers
        _best_is_recomputable(store, artifacts, study, value_of)
    return Count(Counter(trial.state for trial in trials), Counter(attempt.ending for attempt in attempts))


def _best_is_recomputable(
    store: Store, artifacts: Artifacts, study: StudyRecord, value_of: Callable[[bytes], float]
) -> None:
    [best] = store.best(study)
    assert best.model is not None
    assert best.value is not None
    assert math.isclose(value_of(artifacts.read(best.model)), best.value)
    theirs = optuna.load_study(study_name=study.name, storage=store.optuna).best_trial
    assert (theirs.number, theirs.value) == (best.number, best.value)
