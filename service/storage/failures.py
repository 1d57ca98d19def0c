"""Says why a study that has ended has no result."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import TrialState
from studies.reasons import one_line

_MAX_REASON = 300  # characters of a trial's reason that are repeated
#: The states without a value, and how many trials that ended so are spoken of; the first explains most.
_WITHOUT_VALUE = {TrialState.FAIL: "{} failed", TrialState.PRUNED: "{} pruned"}


def why_without_result(session: Session, study: StudyRecord) -> str | None:
    """Say how the trials of a study ended, and why most of them, when none is complete; None when one is."""
    in_study, count = TrialRecord.study_id == study.id, sa.func.count()
    by_state = sa.select(TrialRecord.state, count).where(in_study).group_by(TrialRecord.state)
    counts = {row[0]: row[1] for row in session.execute(by_state)}
    if counts.get(TrialState.COMPLETE):
        return None
    ended = [state for state in _WITHOUT_VALUE if counts.get(state)]
    if not ended:
        return "no trial was begun"
    by_reason = (
        sa.select(TrialRecord.reason)
        .where(in_study, TrialRecord.state == ended[0], TrialRecord.reason.is_not(None))
        .group_by(TrialRecord.reason)
        .order_by(count.desc(), sa.func.min(TrialRecord.number))
    )
    reason = session.scalar(by_reason.limit(1))
    told = ", ".join(_WITHOUT_VALUE[state].format(counts[state]) for state in ended)
    return f"no trial is complete: {told}" + (f"; most often: {one_line(reason, _MAX_REASON)}" if reason else "")
