"""Claims budget slots for a worker; inside a `transactions.transaction` that has locked the study and found it live."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.offers import Offer
from service.storage.records import AttemptRecord, StudyRecord, TrialRecord, held_by, running_in_study, table_of
from service.storage.states import OPEN_TRIAL, TrialState
from studies.plan import Plan
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim


@dataclass(frozen=True)
class Holder:
    """The worker that holds claims: its name, its lease, what it offers, and when it leaves a study."""

    name: str
    lease_seconds: float
    turn_seconds: float = math.inf  # after which another study may take the worker
    only: str | None = None  # the one study it serves
    leaving: Callable[[], bool] = lambda: False
    note_progress: Callable[[], None] = lambda: None  # called when a training went on
    offer: Offer | None = None
    clock: Callable[[], float] = time.monotonic  # of its turns


def holds_any(session: Session, study_id: int, worker: str) -> bool:
    """Return whether a worker holds a trial of a study."""
    held = sa.select(TrialRecord.id).where(held_by(worker), TrialRecord.study_id == study_id)
    return session.scalar(held.limit(1)) is not None


def has_room(session: Session, root_id: int, max_workers: int | None, worker: str) -> bool:
    """Return whether fewer than `max_workers` other workers hold trials of a study and its comparison.

    Where the study is locked it stays so until commit: nobody claims without its lock.
    """
    if max_workers is None:
        return True
    together = sa.or_(StudyRecord.id == root_id, StudyRecord.parent_id == root_id)
    holders = sa.select(TrialRecord.worker).join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
    holders = holders.where(together, running_in_study(), TrialRecord.worker != worker).distinct().limit(max_workers)
    return len(session.scalars(holders).all()) < max_workers


def claim_slots(
    session: Session, spec: StudySpec, study_id: int, holder: Holder, count: int, *, idle: bool
) -> list[Claim]:
    """Claim up to `count` slots that nobody runs, and that are within the budget of `spec` or planned.

    When there are none and the worker is idle, claim one whose trial is on its last attempt, to run alone.
    """
    budget = spec.budget
    which = {
        "of_study": study_id,
        "last_attempt": max(1, budget.max_attempts - 1),
        "generation": spec.generation,
        "budget": budget.trials,
    }
    claims = _claim(session, holder, spec, which | {"count": count}, alone=False)
    if claims or not idle:
        return claims
    return _claim(session, holder, spec, which | {"count": 1}, alone=True)


def _claim(session: Session, holder: Holder, spec: StudySpec, which: Mapping[str, int], *, alone: bool) -> list[Claim]:
    connection = session.connection()
    candidates = connection.scalars(_candidates(alone=alone, in_generations=spec.reproducible), which).all()
    if not candidates:
        return []
    token = uuid4().hex  # one for all: a slot is fenced by the pair of its row and its token
    lease = {"worker": holder.name, "token": token, "lease_seconds": holder.lease_seconds}
    # Not with a subquery, which PostgreSQL may run more than once, past its limit.
    update = connection.execute(_take(), {"candidates": candidates, **lease})
    rows = sorted(update.all(), key=lambda row: int(row.place))
    begun = {"worker": holder.name, "started_at": rows[0].lease_expires_at - holder.lease_seconds}
    attempts = [{"trial_id": row.id, "attempt": row.attempt, **begun} for row in rows]
    connection.execute(_insert_attempts(), attempts)
    return [
        Claim(
            row.id,
            row.place,
            token,
            row.number,
            row.attempt,
            plan=None if row.plan is None else Plan.read(row.plan),
            enqueued_params=row.asked,
            checkpoint=row.checkpoint,
            alone=alone,
        )
        for row in rows
    ]


@cache
def _candidates(*, alone: bool, in_generations: bool) -> sa.Select[Any]:
    trials = table_of(TrialRecord)
    last_attempt: sa.BindParameter[int] = sa.bindparam("last_attempt")
    conditions = [
        trials.c.study_id == sa.bindparam("of_study"),
        trials.c.state == TrialState.WAITING,
        trials.c.setbacks >= last_attempt if alone else trials.c.setbacks < last_attempt,
        sa.or_(trials.c.plan.is_not(None), trials.c.place < sa.bindparam("budget", type_=sa.Integer())),
    ]
    if in_generations:  # those of the first generation that has not ended
        generation = sa.bindparam("generation", type_=sa.Integer())
        conditions += [
            trials.c.place < (sa.func.coalesce(_first(state), trials.c.place) // generation + 1) * generation
            for state in OPEN_TRIAL
        ]
    query = sa.select(trials.c.id).where(*conditions).order_by(trials.c.place)
    return query.limit(sa.bindparam("count", type_=sa.Integer())).with_for_update(skip_locked=True)


def _first(state: TrialState) -> sa.ScalarSelect[int]:
    """The first slot in a state: of one state at a time the index knows it, without a look at all others."""
    trials = table_of(TrialRecord).alias()
    first = sa.select(sa.func.min(trials.c.place))
    return first.where(trials.c.study_id == sa.bindparam("of_study"), trials.c.state == state).scalar_subquery()


@cache
def _take() -> Any:
    trials = table_of(TrialRecord)
    columns = ("id", "number", "place", "attempt", "plan", "asked", "checkpoint", "lease_expires_at")
    update = sa.update(trials).where(trials.c.id.in_(sa.bindparam("candidates", expanding=True)))
    return update.values(
        state=TrialState.RUNNING,
        attempt=trials.c.attempt + 1,
        lease_expires_at=unix_now() + sa.bindparam("lease_seconds", type_=sa.Float()),
        started_at=sa.func.coalesce(trials.c.started_at, unix_now()),
    ).returning(*(trials.c[column] for column in columns))


@cache
def _insert_attempts() -> sa.Insert:
    return sa.insert(table_of(AttemptRecord))
