"""Claims budget slots for a worker; inside a `database.transaction`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.database import unix_now
from service.storage.records import AttemptRecord, StudyRecord, TrialRecord, claimable
from service.storage.states import OPEN_TRIAL, TrialState
from studies.plan import Plan
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim


@dataclass(frozen=True)
class Holder:
    """The worker that holds claims: its name, its lease, and when it leaves a study."""

    name: str
    lease_seconds: float
    turn_seconds: float = math.inf  # after which another study may take the worker
    only: str | None = None  # the one study it serves
    leaving: Callable[[], bool] = lambda: False
    note_progress: Callable[[], None] = lambda: None  # called when a training went on


def claim_slots(
    session: Session, spec: StudySpec, study_id: int, holder: Holder, count: int, *, idle: bool
) -> list[Claim]:
    """Claim up to `count` slots that nobody runs.

    When there are none and the worker is idle, claim one whose trial is on its last attempt, to run alone.
    """
    on_last_attempt = TrialRecord.setbacks >= max(1, spec.budget.max_attempts - 1)
    in_study = sa.and_(TrialRecord.study_id == study_id, _in_generation(spec, study_id))
    claims = _claim(session, holder, sa.and_(in_study, ~on_last_attempt), count, alone=False)
    if claims or not idle:
        return claims
    return _claim(session, holder, sa.and_(in_study, on_last_attempt), 1, alone=True)


def _claim(
    session: Session, holder: Holder, condition: sa.ColumnElement[bool], count: int, *, alone: bool
) -> list[Claim]:
    candidates = (
        sa.select(TrialRecord.id)
        .join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
        .where(claimable(), condition)
        .order_by(TrialRecord.slot)
        .limit(count)
        .with_for_update(skip_locked=True, of=TrialRecord)
    )
    columns = ("id", "number", "slot", "attempt", "plan", "enqueued_params", "checkpoint", "lease_expires_at")
    token = uuid4().hex  # one for all: a slot is fenced by the pair of its row and its token
    update = (
        sa.update(TrialRecord)
        # Not as a subquery, which PostgreSQL may run more than once, past its limit.
        .where(TrialRecord.id.in_(session.scalars(candidates).all()))
        .values(
            state=TrialState.RUNNING,
            worker=holder.name,
            token=token,
            attempt=TrialRecord.attempt + 1,
            lease_expires_at=unix_now() + holder.lease_seconds,
            started_at=sa.func.coalesce(TrialRecord.started_at, unix_now()),
        )
        .returning(*(getattr(TrialRecord, column) for column in columns))
    )
    rows = sorted(session.execute(update).all(), key=lambda row: row.slot)
    if rows:
        begun = {"worker": holder.name, "started_at": rows[0].lease_expires_at - holder.lease_seconds}
        attempts = [{"trial_id": row.id, "attempt": row.attempt, **begun} for row in rows]
        session.execute(sa.insert(AttemptRecord), attempts)
    return [
        Claim(
            row.id,
            row.slot,
            token,
            row.number,
            row.attempt,
            plan=None if row.plan is None else Plan.read(row.plan),
            enqueued_params=row.enqueued_params,
            checkpoint=row.checkpoint,
            alone=alone,
        )
        for row in rows
    ]


def _in_generation(spec: StudySpec, study_id: int) -> sa.ColumnElement[bool]:
    """The slots of the first generation that has not ended, of a reproducible study."""
    if not spec.reproducible:
        return sa.true()
    return TrialRecord.slot < (_first_open_slot(study_id) // spec.generation + 1) * spec.generation


def _first_open_slot(study_id: int) -> sa.ScalarSelect[int]:
    is_open = TrialRecord.state.in_(OPEN_TRIAL)
    query = sa.select(sa.func.min(TrialRecord.slot)).where(TrialRecord.study_id == study_id, is_open)
    return query.correlate(None).scalar_subquery()
