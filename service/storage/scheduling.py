"""Chooses the study that a worker serves next: by priority, and in turns between studies of the same."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage import locking
from service.storage.clock import unix_now
from service.storage.missing_from_optuna import in_optuna
from service.storage.offers import Offer, may_serve
from service.storage.records import StudyRecord, TrialRecord, WorkerRecord, claimable, running
from service.storage.states import LIVE_STUDY, Activity


def next_study(
    session: Session,
    only: str | None,
    worker: str,
    serving: int | None,
    without: Collection[int] = (),
    offer: Offer | None = None,
) -> StudyRecord | None:
    """The next study for this worker: highest priority, fewest other workers, longest unserved.

    A study with a trial to run, or the one this worker serves already (`serving`, an id); of the study named `only`, if
    it is given. Never one that needs more than the worker offers, that other workers fill up to its `max_workers`, or
    that is missing from Optuna's tables, nor one of the ids in `without`. The parts of a comparison count as one with
    their study, and are served in the order they began.
    """
    has_work = sa.exists().where(TrialRecord.study_id == StudyRecord.id, claimable())
    served = sa.or_(has_work, StudyRecord.id == serving)
    root_id = sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id)
    others = _other_workers(worker).subquery()
    workers = sa.func.coalesce(others.c.workers, 0)
    has_room = sa.or_(StudyRecord.max_workers.is_(None), workers < StudyRecord.max_workers)
    # Of one study its id: a row holds documents, and there may be a thousand.
    query = (
        sa.select(StudyRecord.id)
        .outerjoin(others, others.c.root_id == root_id)
        .where(StudyRecord.state.in_(LIVE_STUDY), served, has_room, in_optuna())
    )
    if offer is not None:
        query = query.where(may_serve(offer))
    if without:
        query = query.where(StudyRecord.id.not_in(without))
    if only is not None:
        only_id = sa.select(StudyRecord.id).where(StudyRecord.name == only).scalar_subquery()
        query = query.where(root_id == only_id)
    unserved_for = sa.func.coalesce(StudyRecord.served_at, 0.0)
    order = StudyRecord.priority.desc(), workers, unserved_for, root_id, StudyRecord.id
    study_id = session.scalar(query.order_by(*order).limit(1))
    return None if study_id is None else session.get(StudyRecord, study_id)


def _other_workers(worker: str) -> sa.Select[int, int]:
    """How many other workers each study has with its comparison: those that hold a trial, or say that they serve it."""
    holds = sa.select(TrialRecord.study_id, TrialRecord.worker).where(running(), TrialRecord.worker != worker)
    shows = sa.select(WorkerRecord.study_id, WorkerRecord.name).where(
        WorkerRecord.study_id.is_not(None),
        WorkerRecord.name != worker,
        WorkerRecord.expires_at > unix_now(),
        WorkerRecord.activity != Activity.PUBLISHING,
    )
    both = holds.union(shows).subquery()
    root_id = sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id).label("root_id")
    count = sa.func.count(both.c.worker.distinct()).label("workers")
    return sa.select(root_id, count).join(both, both.c.study_id == StudyRecord.id).group_by(root_id)


def begin_turn(session: Session, study: StudyRecord, worker: str = "") -> bool:
    """Record that a worker begins to serve a study, or a part of it, now; return whether it may.

    Another may have come before it, to a study that has `max_workers` by now. The study stays locked until commit.
    """
    standing = locking.lock_standing(session, study.root_id, None)
    if standing is None:
        return False
    if standing.max_workers is not None:
        others = _other_workers(worker).subquery()
        count = session.scalar(sa.select(others.c.workers).where(others.c.root_id == study.root_id)) or 0
        if count >= standing.max_workers:
            return False
    together = sa.or_(StudyRecord.id == study.root_id, StudyRecord.parent_id == study.root_id)
    session.execute(sa.update(StudyRecord).where(together).values(served_at=unix_now()))
    # The others see it from now on, before it has loaded the data.
    session.execute(sa.update(WorkerRecord).where(WorkerRecord.name == worker).values(study_id=study.id))
    return True
