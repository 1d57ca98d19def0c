"""Which study a worker serves next: priorities, and turns between studies of the same."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.database import unix_now
from service.storage.records import StudyRecord, TrialRecord, claimable, running
from service.storage.states import LIVE_STUDY


def next_study(session: Session, only: str | None, worker: str, serving: int | None) -> StudyRecord | None:
    """The study (or the one named) that has a trial to run and most right to this worker.

    That of the highest priority; among those the one that fewest other workers serve; then the one whose last turn is
    longest ago. The parts of a comparison are one with their study, and served in their order. The one it serves
    already (`serving`, an id) is among them, also when none of its trials waits.
    """
    waits = sa.exists().where(TrialRecord.study_id == StudyRecord.id, claimable())
    wanted = sa.or_(waits, StudyRecord.id == serving)
    candidates = sa.select(StudyRecord).where(StudyRecord.state.in_(LIVE_STUDY), wanted)
    whole = sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id)
    served = (
        sa.select(whole, sa.func.count(TrialRecord.worker.distinct()))
        .join(TrialRecord, TrialRecord.study_id == StudyRecord.id)
        .where(running(), TrialRecord.worker != worker)
        .group_by(whole)
    )
    if only is not None:
        named = sa.select(StudyRecord.id).where(StudyRecord.name == only).scalar_subquery()
        candidates = candidates.where(whole == named)
    found = session.scalars(candidates.order_by(whole, StudyRecord.id)).all()
    if len({study.root_id for study in found}) < 2:
        return found[0] if found else None
    workers = {row[0]: row[1] for row in session.execute(served)}
    return min(found, key=lambda s: (-s.priority, workers.get(s.root_id, 0), s.served_at or 0.0, s.root_id, s.id))


def begin_turn(session: Session, study: StudyRecord) -> None:
    """Record that a worker turns to a study now."""
    together = sa.or_(StudyRecord.id == study.root_id, StudyRecord.parent_id == study.root_id)
    session.execute(sa.update(StudyRecord).where(together).values(served_at=unix_now()))
