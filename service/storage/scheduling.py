"""Chooses the study that a worker serves next: by priority, and in turns between studies of the same.

Every worker asks at the end of its turns, and again and again while nothing is left for it. So the studies are put in
order before any is looked at closely, and nothing is put in order while none of them has a trial to run.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from service.storage import locking
from service.storage.clock import unix_now
from service.storage.missing_from_optuna import in_optuna
from service.storage.offers import Offer, may_serve
from service.storage.records import StudyRecord, TrialRecord, WorkerRecord, running, running_in_study, waiting
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
    their study, and are served in the order they began. None when no study beside `serving` has a trial to run.
    """
    if not session.scalar(sa.select(_any_waits(serving))):
        return None
    conditions: list[sa.ColumnElement[bool]] = [StudyRecord.state.in_(LIVE_STUDY)]
    if offer is not None:
        conditions.append(may_serve(offer))
    if without:
        conditions.append(StudyRecord.id.not_in(without))
    if only is not None:
        only_id = sa.select(StudyRecord.id).where(StudyRecord.name == only).scalar_subquery()
        conditions.append(_root_id() == only_id)
    # A worker shows what it serves in one row, and holds many trials. Few hold one of a study that they do not show,
    # so the first study by those that show it is most often the first by all: there are never fewer of all.
    first = session.execute(_first(conditions, _showing(worker), serving)).one_or_none()
    if first is not None and _count_others(session, first.root_id, worker) > first.workers:
        first = session.execute(_first(conditions, _showing_or_holding(worker), serving)).one_or_none()
    return None if first is None else session.get(StudyRecord, first.id)


def _first(
    conditions: Collection[sa.ColumnElement[bool]], others: sa.Select[int, int], serving: int | None
) -> sa.Select[Any]:
    """The first study with these `others` on which the conditions hold; what takes longer to find out comes last."""
    counted = others.subquery()
    workers = sa.func.coalesce(counted.c.workers, 0)
    root_id, unserved_for = _root_id(), sa.func.coalesce(StudyRecord.served_at, 0.0)
    has_room = sa.or_(StudyRecord.max_workers.is_(None), workers < StudyRecord.max_workers)
    # Without their documents, and there may be a thousand.
    columns = root_id.label("root_id"), workers.label("workers"), unserved_for.label("unserved_for")
    ordered = (
        sa.select(StudyRecord.id, StudyRecord.priority, *columns)
        .outerjoin(counted, counted.c.root_id == root_id)
        .where(*conditions, has_room)
        .order_by(StudyRecord.priority.desc(), workers, unserved_for, root_id, StudyRecord.id)
        .subquery()
    ).c
    # Not `exists`, which PostgreSQL would answer for all studies at once, from every trial that waits.
    has_work = sa.select(TrialRecord.id).where(TrialRecord.study_id == ordered.id, waiting()).limit(1).scalar_subquery()
    is_there = sa.exists().where(StudyRecord.id == ordered.id, in_optuna())
    first = sa.select(ordered.id, ordered.root_id, ordered.workers)
    first = first.where(sa.or_(has_work.is_not(None), ordered.id == serving), is_there)
    order = ordered.priority.desc(), ordered.workers, ordered.unserved_for, ordered.root_id, ordered.id
    return first.order_by(*order).limit(1)


def _any_waits(serving: int | None) -> sa.ColumnElement[bool]:
    """Whether a live study other than `serving` has a trial to run.

    It steps through the index of waiting trials from study to study: when none waits, it has read nothing.
    """
    first = sa.select(sa.func.min(TrialRecord.study_id).label("id")).where(waiting())
    steps = first.cte("waiting", recursive=True)
    following = sa.select(sa.func.min(TrialRecord.study_id)).where(waiting(), TrialRecord.study_id > steps.c.id)
    steps = steps.union_all(sa.select(following.scalar_subquery()).where(steps.c.id.is_not(None)))
    study = aliased(StudyRecord)
    state = sa.select(study.state).where(study.id == steps.c.id).scalar_subquery()
    return sa.exists().where(state.in_(LIVE_STUDY), steps.c.id.is_distinct_from(serving))


def _root_id() -> sa.ColumnElement[int]:
    return sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id)


def _shows(worker: str) -> sa.ColumnElement[bool]:
    """Other workers that say they serve a study; in a query of WorkerRecord."""
    return sa.and_(
        WorkerRecord.study_id.is_not(None),
        WorkerRecord.name != worker,
        WorkerRecord.expires_at > sa.select(unix_now()).scalar_subquery(),  # once, and not for each row
        WorkerRecord.activity != Activity.PUBLISHING,
    )


def _showing(worker: str) -> sa.Select[int, int]:
    """How many other workers say that they serve each study, or a part of its comparison."""
    root_id = _root_id().label("root_id")
    shown = sa.select(root_id, sa.func.count().label("workers")).select_from(WorkerRecord)
    return shown.join(StudyRecord, StudyRecord.id == WorkerRecord.study_id).where(_shows(worker)).group_by(root_id)


def _showing_or_holding(worker: str) -> sa.Select[int, int]:
    """How many other workers each study has with its comparison: those that hold a trial, or say that they serve it."""
    holds = sa.select(TrialRecord.study_id, TrialRecord.worker).where(running(), TrialRecord.worker != worker)
    both = holds.union(sa.select(WorkerRecord.study_id, WorkerRecord.name).where(_shows(worker))).subquery()
    root_id = _root_id().label("root_id")
    count = sa.func.count(both.c.worker.distinct()).label("workers")
    return sa.select(root_id, count).join(both, both.c.study_id == StudyRecord.id).group_by(root_id)


def _count_others(session: Session, root_id: int, worker: str) -> int:
    """How many other workers a study has with its comparison, as _showing_or_holding counts them for all."""
    together = sa.select(StudyRecord.id).where(_with_parts(root_id))
    holds = sa.select(TrialRecord.worker).where(
        TrialRecord.study_id.in_(together), running_in_study(), TrialRecord.worker != worker
    )
    shows = sa.select(WorkerRecord.name).where(WorkerRecord.study_id.in_(together), _shows(worker))
    return session.scalar(sa.select(sa.func.count()).select_from(holds.union(shows).subquery())) or 0


def _with_parts(root_id: int) -> sa.ColumnElement[bool]:
    return sa.or_(StudyRecord.id == root_id, StudyRecord.parent_id == root_id)


def begin_turn(session: Session, study: StudyRecord, worker: str = "") -> bool:
    """Record that a worker begins to serve a study, or a part of it, now; return whether it may.

    Another may have come before it, to a study that has `max_workers` by now. The study stays locked until commit.
    """
    standing = locking.lock_standing(session, study.root_id, None)
    if standing is None:
        return False
    limit = standing.max_workers
    if limit is not None and _count_others(session, study.root_id, worker) >= limit:
        return False
    session.execute(sa.update(StudyRecord).where(_with_parts(study.root_id)).values(served_at=unix_now()))
    # The others see it from now on, before it has loaded the data.
    session.execute(sa.update(WorkerRecord).where(WorkerRecord.name == worker).values(study_id=study.id))
    return True
