"""Chooses the study that a worker serves next: by priority, and in turns between studies of the same."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.missing_from_optuna import in_optuna
from service.storage.records import StudyRecord, TrialRecord, claimable, running
from service.storage.states import LIVE_STUDY


def next_study(
    session: Session, only: str | None, worker: str, serving: int | None, without: Collection[int] = ()
) -> StudyRecord | None:
    """The next study for this worker: highest priority, fewest other workers, longest unserved.

    A study with a trial to run, or the one this worker serves already (`serving`, an id); of the study named `only`, if
    it is given. Never one that is missing from Optuna's tables, nor one of the ids in `without`. The parts of a
    comparison count as one with their study, and are served in the order they began.
    """
    has_work = sa.exists().where(TrialRecord.study_id == StudyRecord.id, claimable())
    served = sa.or_(has_work, StudyRecord.id == serving)
    query = sa.select(StudyRecord).where(StudyRecord.state.in_(LIVE_STUDY), served, in_optuna())
    if without:
        query = query.where(StudyRecord.id.not_in(without))
    root_id = sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id)
    if only is not None:
        only_id = sa.select(StudyRecord.id).where(StudyRecord.name == only).scalar_subquery()
        query = query.where(root_id == only_id)
    candidates = session.scalars(query.order_by(root_id, StudyRecord.id)).all()
    if len({study.root_id for study in candidates}) < 2:
        return candidates[0] if candidates else None
    other_workers = (
        sa.select(root_id, sa.func.count(TrialRecord.worker.distinct()))
        .join(TrialRecord, TrialRecord.study_id == StudyRecord.id)
        .where(running(), TrialRecord.worker != worker)
        .group_by(root_id)
    )
    workers = {row[0]: row[1] for row in session.execute(other_workers)}
    return min(
        candidates,
        key=lambda study: (
            -study.priority,
            workers.get(study.root_id, 0),
            study.served_at or 0.0,
            study.root_id,
            study.id,
        ),
    )


def begin_turn(session: Session, study: StudyRecord) -> None:
    """Record that a worker begins to serve a study, or a part of it, now."""
    together = sa.or_(StudyRecord.id == study.root_id, StudyRecord.parent_id == study.root_id)
    session.execute(sa.update(StudyRecord).where(together).values(served_at=unix_now()))
