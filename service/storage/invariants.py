"""Checks the invariants of the records, which hold whatever process was killed at whatever moment; see `db check`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.artifacts import Artifacts
from service.storage.clock import unix_now
from service.storage.dataset_files import file_path
from service.storage.records import AttemptRecord, DatasetRecord, StudyRecord, TrialRecord
from service.storage.states import ACTIVE_STUDY, ENDED_TRIAL, Ending, StudyState, TrialState
from service.storage.store import Store


def violations(store: Store, artifacts: Artifacts) -> list[str]:
    """Check every invariant; return a sentence for each violation."""
    with store.reading() as session:
        sentences = [*_database_file(session), *_datasets(store, session, artifacts)]
        if unknown := [*_unknown_states(session)]:
            return sentences + unknown  # no record with such a state can be read
        for study in session.scalars(sa.select(StudyRecord).order_by(StudyRecord.id)):
            trials = session.scalars(sa.select(TrialRecord).where(TrialRecord.study_id == study.id)).all()
            checks = (
                _budget(study, trials),
                _leases(session, trials),
                _attempts(session, trials),
                _optuna_tables(session, study, trials),
                _files(store, artifacts, trials),
            )
            sentences += [f"study '{study.name}': {violation}" for check in checks for violation in check]
    return sentences


def _database_file(session: Session) -> Iterator[str]:
    if session.get_bind().dialect.name == "sqlite":
        for (message,) in session.execute(sa.text("PRAGMA integrity_check")):
            if message != "ok":
                yield f"the file: {message}"
        for row in session.execute(sa.text("PRAGMA foreign_key_check")):
            yield f"the file: a row of {row[0]} points to a row of {row[2]} that is not there"


def _unknown_states(session: Session) -> Iterator[str]:
    columns = StudyRecord.state, StudyRecord.comparison_state, TrialRecord.state, AttemptRecord.ending
    for column in columns:
        spelled = sa.type_coerce(column, sa.String)
        for state in session.scalars(sa.select(spelled).where(column.is_not(None)).distinct().order_by(spelled)):
            if state not in column.type.enums:
                table = column.class_.__tablename__
                yield f"the table {table} holds the {column.key} '{state}', which is none of its states"


def _datasets(store: Store, session: Session, artifacts: Artifacts) -> Iterator[str]:
    for dataset in session.scalars(sa.select(DatasetRecord).order_by(DatasetRecord.id)):
        recorded = DatasetRecord.id == dataset.id, DatasetRecord.digest == dataset.digest
        if _lacks(store, artifacts, file_path(dataset.digest), sa.and_(*recorded)):
            of_version = f"dataset '{dataset.name}', version {dataset.version}"
            yield f"{of_version}: its file, {file_path(dataset.digest)}, is not there"


def _budget(study: StudyRecord, trials: Sequence[TrialRecord]) -> Iterator[str]:
    budget = study.spec["budget"]["trials"]
    states = Counter(trial.state for trial in trials)
    slots = sum(trial.slot < budget for trial in trials)
    repeats, max_repeats = len(trials) - slots, 0 if study.parent_id else study.parsed_spec.repeats_of_best
    needs_all = study.state in ACTIVE_STUDY or (study.state == StudyState.COMPLETED and study.reason is None)
    if needs_all and slots != budget:
        yield f"has {slots} slots and a budget of {budget} trials"
    if repeats > max_repeats:
        yield f"has {repeats} slots beyond its budget of {budget} trials, and {max_repeats} repeats of the best"
    if study.state not in ACTIVE_STUDY and states[TrialState.WAITING]:
        yield f"is {study.state} and {states[TrialState.WAITING]} of its slots wait"
    if study.state in ACTIVE_STUDY and not states[TrialState.WAITING] + states[TrialState.RUNNING]:
        yield f"is {study.state} and all its trials have ended"


def _leases(session: Session, trials: Sequence[TrialRecord]) -> Iterator[str]:
    now = session.scalar(sa.select(unix_now())) or 0.0
    for trial in trials:
        if trial.state != TrialState.RUNNING:
            if trial.token is not None or trial.lease_expires_at is not None:
                yield f"slot {trial.slot} is {trial.state} and still held by a claim"
        elif trial.token is None or trial.lease_expires_at is None:
            yield f"slot {trial.slot} runs and nobody holds it"
        elif trial.lease_expires_at < now:
            yield f"slot {trial.slot} runs {now - trial.lease_expires_at:.0f} seconds past its lease"


def _attempts(session: Session, trials: Sequence[TrialRecord]) -> Iterator[str]:
    by_trial: dict[int, list[AttemptRecord]] = defaultdict(list)
    ids = sa.select(TrialRecord.id).where(TrialRecord.study_id.in_({trial.study_id for trial in trials}))
    for attempt in session.scalars(sa.select(AttemptRecord).where(AttemptRecord.trial_id.in_(ids))):
        by_trial[attempt.trial_id].append(attempt)
    for trial in trials:
        endings = Counter(attempt.ending for attempt in by_trial[trial.id])
        if endings[Ending.TOLD] > 1:
            yield f"slot {trial.slot} was told {endings[Ending.TOLD]} times"
        if trial.state not in ENDED_TRIAL and endings[Ending.TOLD]:
            yield f"slot {trial.slot} was told and is {trial.state}"
        if endings[None] > (trial.state == TrialState.RUNNING):
            yield f"slot {trial.slot} is {trial.state} and {endings[None]} of its attempts have not ended"


def _optuna_tables(session: Session, study: StudyRecord, trials: Sequence[TrialRecord]) -> Iterator[str]:
    """Compare with Optuna's tables."""
    from service.storage import optuna_reading, optuna_tables

    optuna_id = optuna_tables.find_study(session, study.name)
    if optuna_id is None:
        yield "is not in Optuna's tables"
        return
    optuna_trials = {trial.number: trial for trial in optuna_reading.read_trials(session, optuna_id, -1, ())}
    ours = {trial.number: trial for trial in trials if trial.number is not None}
    for number in optuna_trials.keys() ^ ours.keys():
        if number in ours:
            yield f"trial {number} is only in our tables"
        else:
            yield f"trial {number} is only in Optuna's tables: another program added it, and nothing here reads it"
    for number in optuna_trials.keys() & ours.keys():
        difference = differs_in_optuna(ours[number], optuna_trials[number])
        if difference is not None:
            yield difference
        if lacking := lacking_params(study, ours[number], optuna_trials[number]):
            yield f"trial {number} lacks {', '.join(lacking)} in Optuna's tables"


def differs_in_optuna(ours: TrialRecord, theirs: Any) -> str | None:
    """Say how a trial of ours differs from Optuna's, where one that waits for its next attempt is RUNNING."""
    state = ours.state if ours.state in ENDED_TRIAL else TrialState.RUNNING
    if theirs.state.name != state:
        return f"trial {ours.number} is {ours.state} in our tables and {theirs.state.name} in Optuna's"
    if state == TrialState.COMPLETE and ours.values != theirs.values:
        return f"trial {ours.number} has the values {ours.values} in our tables and {theirs.values} in Optuna's"
    return None


def lacking_params(study: StudyRecord, ours: TrialRecord, theirs: Any) -> list[str]:
    """The names of the params that a trial was asked with and that Optuna's tables no longer have."""
    if ours.plan is not None or ours.params is None:
        return []
    return sorted(study.parsed_spec.space.distributions().keys() - theirs.params.keys())


def _files(store: Store, artifacts: Artifacts, trials: Sequence[TrialRecord]) -> Iterator[str]:
    for trial in trials:
        for kind, column in (("model", TrialRecord.model), ("checkpoint", TrialRecord.checkpoint)):
            path: str | None = getattr(trial, column.key)
            if path is not None and _lacks(store, artifacts, path, sa.and_(TrialRecord.id == trial.id, column == path)):
                yield f"the {kind} of slot {trial.slot}, {path}, is not there"


def _lacks(store: Store, artifacts: Artifacts, path: str, recorded: sa.ColumnElement[bool]) -> bool:
    """Return whether a file is missing while a record points to it, also now.

    Workers remove files while the records are checked, and those were read at the beginning.
    """
    if artifacts.has(path):
        return False
    with store.reading() as session:
        is_recorded = session.scalar(sa.select(sa.exists().where(recorded)))
    return bool(is_recorded) and not artifacts.has(path)
