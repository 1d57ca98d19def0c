"""Ends a study whose time has run out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage import comparisons, locking
from service.storage.clock import unix_now
from service.storage.records import StudyRecord
from service.storage.states import LIVE_STUDY, StudyState
from studies.spec.budget import seconds_text

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


class Deadline:
    """The deadline of a study, as far as its budget has one."""

    def __init__(self, optuna: RDBStorage, study: StudyRecord) -> None:
        self._optuna, self._study_id = optuna, study.id
        self._timeout_seconds = study.parsed_spec.budget.timeout_seconds

    def end_when_over(self, session: Session) -> bool:
        """End the study when its time has run out, and return whether it has."""
        if not self.is_over(session) or (study := locking.lock_study(session, self._study_id)) is None:
            return False
        self._timeout_seconds = study.spec["budget"]["timeout_seconds"]  # it may have got more since
        if self._timeout_seconds is None or not self.is_over(session):
            return False
        reason = f"budget.timeout_seconds of {seconds_text(self._timeout_seconds)} ran out"
        comparisons.end(session, self._optuna, study, StudyState.COMPLETED, reason)
        return True

    def is_over(self, session: Session) -> bool:
        """Return whether the study's time has run out, as far as its budget was when it was last read."""
        if self._timeout_seconds is None:
            return False
        # Paused time does not count, and a paused study does not end.
        spent = unix_now() - StudyRecord.started_at - StudyRecord.paused_seconds
        overdue = sa.select(sa.true()).where(
            StudyRecord.id == self._study_id, StudyRecord.state.in_(LIVE_STUDY), spent > self._timeout_seconds
        )
        return bool(session.scalar(overdue))
