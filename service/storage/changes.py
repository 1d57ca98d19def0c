"""What others have changed in a study since a worker last read its trials, asked of our tables.

Their indexes answer in the same time however many trials there are; Optuna's table of trials has none by number.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord, TrialRecord, table_of
from service.storage.states import OPEN_TRIAL, TrialState


def has_changed(session: Session, study_id: int, after: int, awaited: Collection[int]) -> bool:
    """Return whether a trial has a number above `after`, or one of the awaited numbers has ended."""
    which = {"of_study": study_id, "after": after, "awaited": list(awaited)}
    return bool(session.connection().scalar(_select_change(), which))


@cache
def _select_change() -> sa.Select[Any]:
    trials, of_study = table_of(TrialRecord), sa.bindparam("of_study", type_=sa.Integer())
    later = sa.exists().where(trials.c.study_id == of_study, trials.c.number > sa.bindparam("after"))
    has_ended = trials.c.state.not_in(OPEN_TRIAL)
    is_awaited = trials.c.number.in_(sa.bindparam("awaited", expanding=True))
    return sa.select(sa.or_(later, sa.exists().where(trials.c.study_id == of_study, is_awaited, has_ended)))


def invalidated_count(session: Session, study_id: int) -> int | None:
    """How often trials of a study were marked invalid; None when the study was deleted."""
    studies = table_of(StudyRecord)
    count: int | None = session.connection().scalar(sa.select(studies.c.forgotten).where(studies.c.id == study_id))
    return count


def failed_numbers(session: Session, study_id: int) -> set[int]:
    """The numbers of all failed trials."""
    failed = TrialRecord.study_id == study_id, TrialRecord.state == TrialState.FAIL
    numbers = session.scalars(sa.select(TrialRecord.number).where(*failed))
    return {number for number in numbers if number is not None}
