"""Ends attempts at trials that gave nothing: by a dead or hung worker, by an error, or handed back.

All inside a `transactions.transaction`. An attempt that gave a result ends with its trial, see TrialLedger.close.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage import comparisons, lifecycle, locking
from service.storage.clock import unix_now
from service.storage.records import AttemptRecord, StudyRecord, TrialRecord, running, table_of
from service.storage.states import ACTIVE_STUDY, Ending, TrialState
from service.storage.trial_rows import remove_curves
from studies import faults
from studies.plan import Plan

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_FREE = {"state": TrialState.WAITING, "worker": None, "token": None, "lease_expires_at": None}


def hand_back(session: Session, optuna: RDBStorage, condition: sa.ColumnElement[bool]) -> int:
    """Free running trials for other workers, without counting the attempts; return their number.

    Trials of a study that has ended are closed.
    """
    freed = _free(session, condition, {"attempt": TrialRecord.attempt - 1})
    for row in freed:
        attempt = AttemptRecord.trial_id == row.id, AttemptRecord.attempt == row.attempt + 1
        session.execute(sa.delete(AttemptRecord).where(*attempt))
    for study, rows in _by_study(session, freed):
        _close_if_ended(session, optuna, study, rows)
    return len(freed)


def end_attempts(
    session: Session, optuna: RDBStorage, condition: sa.ColumnElement[bool], ending: Ending, reason: str
) -> int:
    """End the attempts at running trials that gave nothing; return their number.

    The trials wait for another worker under the same number. One that has used up its attempts is told FAIL, and one
    whose study has ended is closed.
    """
    freed = _free(session, condition, {"setbacks": TrialRecord.setbacks + 1})
    faults.point("attempts ended")
    for row in freed:
        record_ending(session, row.id, row.attempt, ending, reason)
    faults.point("endings noted")
    for study, rows in _by_study(session, freed):
        if not _close_if_ended(session, optuna, study, rows):
            _fail_used_up(session, optuna, study, rows, f"{ending}: {reason}")
    return len(freed)


def _free(session: Session, condition: sa.ColumnElement[bool], changes: Mapping[str, Any]) -> Sequence[Any]:
    """Free running trials, locked in the order of locking.lock_study; return their rows."""
    study_ids = session.scalars(sa.select(TrialRecord.study_id).where(running(), condition).distinct())
    for study_id in sorted(study_ids):
        locking.lock_study(session, study_id)
    ids = [trial_id for trial_id, _ in locking.lock_trials(session, sa.and_(running(), condition))]
    remove_curves(session, ids)
    columns = ("study_id", "id", "number", "slot", "attempt", "setbacks", "plan")
    update = sa.update(TrialRecord).where(TrialRecord.id.in_(ids)).values(_FREE | dict(changes))
    return session.execute(update.returning(*(getattr(TrialRecord, column) for column in columns))).all()


def _by_study(session: Session, freed: Sequence[Any]) -> Iterator[tuple[StudyRecord, Sequence[Any]]]:
    for study_id, rows in groupby(sorted(freed), key=lambda row: row.study_id):
        yield session.get_one(StudyRecord, study_id), list(rows)


def _close_if_ended(session: Session, optuna: RDBStorage, study: StudyRecord, rows: Sequence[Any]) -> bool:
    if study.state in ACTIVE_STUDY:
        return False
    lifecycle.close_slots(session, study, TrialRecord.id.in_([row.id for row in rows]))
    comparisons.settle(session, optuna, study)
    return True


def record_ending(session: Session, trial_id: int, attempt: int, ending: Ending, reason: str | None) -> None:
    """Record how an attempt ended, if it has not."""
    which = {"of_trial": trial_id, "at_attempt": attempt}
    session.connection().execute(_end_open_attempt(), {**which, "ending": ending, "reason": reason})


@cache
def _end_open_attempt() -> sa.Update:
    attempts = table_of(AttemptRecord)
    open_attempt = (
        attempts.c.trial_id == sa.bindparam("of_trial"),
        attempts.c.attempt == sa.bindparam("at_attempt"),
        attempts.c.ending.is_(None),
    )
    return sa.update(attempts).where(*open_attempt).values(ended_at=unix_now())


def _fail_used_up(session: Session, optuna: RDBStorage, study: StudyRecord, rows: Sequence[Any], why: str) -> None:
    max_attempts = study.parsed_spec.budget.max_attempts
    used_up = [row for row in rows if row.setbacks >= max_attempts]
    for row in used_up:
        _fail(session, study, row, f"given up after {max_attempts} attempts; the last was {why}")
    if used_up:
        comparisons.end_when_done(session, optuna, study, failed=True)


def _fail(session: Session, study: StudyRecord, row: Any, reason: str) -> None:
    """Tell a trial FAIL, also one that was claimed and never asked, for the budget counts it."""
    from optuna.trial import TrialState as OptunaState
    from optuna.trial import create_trial

    from service.storage import optuna_tables

    failed = {"state": TrialState.FAIL, "checkpoint": None, "reason": reason, "ended_at": unix_now()}
    record = sa.update(TrialRecord).where(TrialRecord.id == row.id)
    is_repeat = row.plan is not None and Plan.read(row.plan).is_repeat
    # Optuna does not know of a repeat, nor of any trial of a study that was deleted there.
    optuna_id = None if is_repeat else optuna_tables.find_study(session, study.name)
    if optuna_id is None:
        session.execute(record.values(failed))
        return
    number, optuna_trial_id = row.number, None
    if number is None:
        number = row.slot if study.parsed_spec.reproducible else _next_number(session, study, optuna_id)
        template = create_trial(state=OptunaState.RUNNING)
        template.number, template.datetime_start = number, datetime.now()
        optuna_trial_id = optuna_tables.create_trial(session, optuna_id, template)
    else:
        optuna_trial_id = optuna_tables.find_trial(session, optuna_id, number)
    session.execute(record.values(failed | {"number": number}))
    if optuna_trial_id is not None:
        optuna_tables.add_user_attributes(session, optuna_trial_id, {"reason": reason})
        optuna_tables.finish_trial(session, optuna_trial_id, OptunaState.FAIL, None)


def _next_number(session: Session, study: StudyRecord, optuna_id: int) -> int:
    """The number of a study's next trial: neither ours nor one that another program added in Optuna's tables."""
    from service.storage import optuna_tables

    last = session.scalar(sa.select(sa.func.max(TrialRecord.number)).where(TrialRecord.study_id == study.id))
    return max(optuna_tables.next_number(session, optuna_id), 0 if last is None else last + 1)
