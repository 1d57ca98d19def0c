"""Begins and ends the rows of studies, here and in Optuna's tables; all inside a `transactions.transaction`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service import tracing
from service.storage import outbox
from service.storage.clock import unix_now
from service.storage.locking import lock_trials
from service.storage.records import StudyRecord, TrialRecord
from service.storage.slots import insert_slots
from service.storage.states import ACTIVE_STUDY, Event, StudyState, TrialState
from service.storage.transactions import note
from studies.plan import Plan
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def create(
    session: Session,
    optuna: RDBStorage,
    spec: StudySpec,
    name: str,
    project: str,
    parent: StudyRecord | None = None,
    technique: str | None = None,
    plans: Sequence[Plan] | None = None,
) -> StudyRecord:
    """Add a study with its whole budget and its Optuna study; `parent` is the study whose comparison it is a part of.

    Raises IntegrityError when the name is in use.
    """
    study = StudyRecord(
        name=name,
        project=project,
        state=StudyState.QUEUED,
        spec=spec.model_dump(mode="json"),
        created_at=unix_now(),
        priority=spec.priority if parent is None else parent.priority,
        needs_cpus=spec.resources.cpus,
        needs_gpus=spec.resources.gpus,
        needs_memory=spec.resources.memory,
        max_workers=spec.max_workers if parent is None else parent.max_workers,
        served_at=None if parent is None else parent.served_at,
        parent_id=None if parent is None else parent.id,
        technique=technique,
        traceparent=tracing.traceparent() if parent is None else parent.traceparent,
    )
    session.add(study)
    session.flush()
    insert_slots(session, study, plans if plans is not None else [None] * spec.budget.trials, 0)
    create_optuna_study(session, optuna, study, None if parent is None else parent.name)
    return study


def create_optuna_study(session: Session, optuna: RDBStorage, study: StudyRecord, part_of: str | None) -> int:
    """Make a study's half in Optuna's tables, without trials; return Optuna's id of it.

    Raises DuplicatedStudyError when Optuna has a study of its name.
    """
    from optuna.study import StudyDirection

    from service.storage import optuna_tables

    spec = study.parsed_spec
    directions = [StudyDirection[direction.upper()] for direction in spec.directions]
    optuna_id = optuna.create_new_study(directions, study.name)
    optuna.set_study_system_attr(optuna_id, "study:metric_names", list(spec.objectives))
    attributes = {} if part_of is None else {"part_of": part_of}
    if (
        part_of is None or study.technique is not None
    ):  # planned trials have all their params as attributes of their own
        attributes |= spec.space.constants()
    optuna_tables.add_study_attributes(session, optuna_id, attributes)
    return optuna_id


def run_again(session: Session, study: StudyRecord) -> None:
    """Let a locked study that has ended go on; the time since counts as a pause."""
    now = session.scalar(sa.select(unix_now())) or 0.0
    if study.started_at is not None:
        study.paused_seconds += max(0.0, now - (_worked_until(study) or now))
    study.state = StudyState.QUEUED if study.started_at is None else StudyState.RUNNING
    study.reason, study.ended_at, study.paused_at = None, None, None
    study.published, study.publishing_at = None, None


def seconds_spent(study: StudyRecord) -> float:
    """The seconds of its timeout that a study which has ended has used."""
    until = _worked_until(study)
    return 0.0 if study.started_at is None or until is None else until - study.started_at - study.paused_seconds


def _worked_until(study: StudyRecord) -> float | None:
    """When a study that has ended ran last: it may have been paused then, or its comparison alone since."""
    return min((at for at in (study.ended_at, study.paused_at) if at is not None), default=None)


def count_pause(session: Session, study: StudyRecord, to: StudyState) -> None:
    """Begin or end the count of a study's paused seconds as it goes to another state; its timeout leaves them out."""
    now = session.scalar(sa.select(unix_now())) or 0.0
    if study.paused_at is not None and to != StudyState.PAUSED:
        # Before the first claim no time of the timeout runs, nor once the study has ended and its comparison is paused.
        runs = study.started_at is not None and study.state in ACTIVE_STUDY
        seconds = now - study.paused_at if runs else 0.0
        study.paused_seconds, study.paused_at = study.paused_seconds + seconds, None
    elif study.paused_at is None and to == StudyState.PAUSED:
        study.paused_at = now


def end_study(session: Session, study: StudyRecord, state: StudyState, reason: str | None) -> None:
    """End an active study: no trial starts any more, and a running one is cut at its next epoch."""
    if study.state in ACTIVE_STUDY:
        ended = {"state": state, "reason": reason, "ended_at": unix_now()}
        session.execute(sa.update(StudyRecord).where(StudyRecord.id == study.id).values(ended))
        note_end(session, study, state, reason)
        close_slots(session, study, TrialRecord.state == TrialState.WAITING)


def note_end(session: Session, study: StudyRecord, state: StudyState, reason: str | None) -> None:
    """Note for the audit, and for webhooks, that a study has ended; of a part of a comparison for the audit alone."""
    event = "study.ended" if study.parent_id is None else "comparison.part_ended"
    note(session, event, study.id, study=study.name, state=str(state), reason=reason)
    if study.parent_id is None:
        outbox.record_end(session, Event.STUDY_ENDED, study, str(state), reason)


def close_slots(session: Session, study: StudyRecord, condition: sa.ColumnElement[bool]) -> None:
    """Close slots of an ended study that no worker holds: delete those without a trial, prune the trials of others."""
    from optuna.trial import TrialState as OptunaState

    from service.storage import optuna_tables

    closing = sa.and_(TrialRecord.study_id == study.id, condition)
    numbers = {trial_id: number for trial_id, number in lock_trials(session, closing) if number is not None}
    session.execute(sa.delete(TrialRecord).where(closing, TrialRecord.number.is_(None)))
    pruned = {
        "state": TrialState.PRUNED,
        "token": None,
        "lease_expires_at": None,
        "checkpoint": None,
        "reason": "the study ended before the trial did",
        "ended_at": unix_now(),
    }
    session.execute(sa.update(TrialRecord).where(TrialRecord.id.in_(numbers)).values(pruned))
    if not numbers or (optuna_id := optuna_tables.find_study(session, study.name)) is None:
        return
    for number in numbers.values():
        optuna_trial_id = optuna_tables.find_trial(session, optuna_id, number)
        if optuna_trial_id is not None:
            optuna_tables.finish_trial(session, optuna_trial_id, OptunaState.PRUNED, None)


def was_cut() -> sa.ColumnElement[bool]:
    """Trials that their study's end cut: the complete ones with a reason, and those pruned for it."""
    complete = sa.and_(TrialRecord.state == TrialState.COMPLETE, TrialRecord.reason.is_not(None))
    pruned = sa.and_(TrialRecord.state == TrialState.PRUNED, TrialRecord.reason.startswith("the study ended"))
    return sa.or_(complete, pruned)


def remove(session: Session, optuna: RDBStorage, study: StudyRecord) -> int:
    """Delete a study with all its trials, here and in Optuna, where it may be gone already; return its id."""
    from service.storage import optuna_tables

    trials = TrialRecord.study_id == study.id
    lock_trials(session, trials)
    session.execute(sa.delete(TrialRecord).where(trials))
    session.delete(study)
    if (optuna_id := optuna_tables.find_study(session, study.name)) is not None:
        optuna.delete_study(optuna_id)
    return study.id
