"""Writes a study as a file of its own that Optuna opens: `optuna.load_study(study_name=…, storage="sqlite:///…")`.

Our records lead, as everywhere: they say which trials there are, how each ended and with which values. Optuna's tables
add what only they hold: what the sampler drew, and the reports of folds. The notes of samplers are left out.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.orm import Session

from service.storage import lifecycle, locking, optuna_reading, optuna_tables, trial_attributes
from service.storage.invariants import lacking_params
from service.storage.optuna_templates import curve_steps, template
from service.storage.records import CurveRecord, StudyRecord, TrialRecord, asked
from service.storage.states import ENDED_TRIAL
from service.storage.store import Store

_AT_ONCE = 200  # trials whose curves are in memory


def write(store: Store, name: str) -> bytes:
    """Write a study of this name with all its trials that have started as an SQLite file.

    Raises NotFoundError when no study has the name.
    """
    with tempfile.TemporaryDirectory() as folder, store.reading() as session:
        study = locking.find(session, name)
        file = Path(folder, "study.db")
        # By import Optuna installs a log handler that prints every study it makes.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = RDBStorage(f"sqlite:///{file}")
        try:
            with Session(storage.engine) as theirs, theirs.begin():
                optuna_id = lifecycle.create_optuna_study(theirs, storage, study, None)
                _write_trials(session, theirs, study, optuna_id)
        finally:
            storage.engine.dispose()
        return file.read_bytes()


def _write_trials(session: Session, theirs: Session, study: StudyRecord, optuna_id: int) -> None:
    spec, number = study.parsed_spec, 0
    for trial, curve, drawn in _trials(session, study):
        # Optuna numbers trials without gaps. Here a gap is slots that wait, or trials that another program added.
        for missing in range(number, drawn.number):
            _add_placeholder(theirs, optuna_id, missing, waits=spec.reproducible)
        number = drawn.number + 1
        id_ = optuna_tables.create_trial(theirs, optuna_id, drawn)
        optuna_tables.add_user_attributes(theirs, id_, _attributes(trial, drawn, spec.objectives))
        steps = curve_steps(spec, curve) or drawn.intermediate_values
        finite = [(id_, step, value) for step, value in steps.items() if math.isfinite(value)]
        optuna_tables.set_intermediate_values(theirs, finite)
        if trial.state in ENDED_TRIAL:
            ended = None if trial.ended_at is None else datetime.fromtimestamp(trial.ended_at, UTC)
            optuna_tables.finish_trial(theirs, id_, TrialState[trial.state], trial.values, ended)


def _trials(
    session: Session, study: StudyRecord
) -> Iterator[tuple[TrialRecord, Mapping[str, Any] | None, FrozenTrial]]:
    """Each trial that has started, by number: its record, its curve, and what Optuna has of it."""
    optuna_id = optuna_tables.find_study(session, study.name)
    theirs = [] if optuna_id is None else optuna_reading.read_trials(session, optuna_id, -1, ())
    by_number = {trial.number: trial for trial in theirs}
    query = sa.select(TrialRecord, CurveRecord.curve).outerjoin(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
    query = query.where(TrialRecord.study_id == study.id, asked()).order_by(TrialRecord.number)
    for trial, curve in session.execute(query.execution_options(yield_per=_AT_ONCE)):
        drawn = by_number.get(trial.number)
        if drawn is None or lacking_params(study, trial, drawn):
            drawn = template(study, trial)
        drawn.state, drawn.values = TrialState.RUNNING, None  # as others may have told it not to be
        drawn.system_attrs = {}  # notes of samplers and pruners, of this study's own use
        drawn.datetime_start = None if trial.started_at is None else datetime.fromtimestamp(trial.started_at)
        yield trial, curve, drawn


def _add_placeholder(theirs: Session, optuna_id: int, number: int, *, waits: bool) -> None:
    trial = create_trial(state=TrialState.WAITING if waits else TrialState.FAIL)
    trial.number = number
    optuna_tables.create_trial(theirs, optuna_id, trial)


def _attributes(trial: TrialRecord, drawn: FrozenTrial, objectives: Sequence[str]) -> dict[str, Any]:
    """What the dashboard shows of a trial, and all its other finite metrics and weights."""
    measured = {**(trial.metrics or {}), **(trial.weights or {})}
    finite = {name: value for name, value in measured.items() if value is not None and math.isfinite(value)}
    others = {name: value for name, value in finite.items() if name not in objectives}
    return others | trial_attributes.of_record(trial, drawn, objectives)
