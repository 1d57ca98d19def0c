"""Writes a trial's rows for the worker that holds it: TrialRecord and CurveRecord."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.records import CurveRecord, StudyRecord, TrialRecord, table_of
from service.storage.states import StudyState, TrialState
from studies.sweep.ledger import Claim, Outcome
from studies.training.result import Curve, TrialResult


def update_claimed(session: Session, claim: Claim, columns: Mapping[str, Any], *, ended: bool) -> bool:
    """Change the row of a claim that is still held, its end as well if it has ended; return whether it is held."""
    held = {"claimed_trial": claim.trial_id, "claim_token": claim.token}
    changed = session.connection().execute(_update_claimed(ended=ended), {**held, **columns})
    return changed.rowcount == 1


@cache
def _update_claimed(*, ended: bool) -> sa.Update:
    trials = table_of(TrialRecord)
    update = sa.update(trials).where(
        trials.c.id == sa.bindparam("claimed_trial"),
        trials.c.token == sa.bindparam("claim_token"),
        trials.c.state == TrialState.RUNNING,
    )
    return update.values(ended_at=unix_now()) if ended else update


def read_standing(session: Session, study_id: int, claims: Collection[Claim]) -> tuple[StudyState | None, set[int]]:
    """Read a study's state, and the ids of the trials whose claims are still held; one statement that locks nothing."""
    which = {"of_study": study_id, "ids": [claim.trial_id for claim in claims]}
    rows = session.connection().execute(_select_held(), which).all()
    tokens = {row.id: row.token for row in rows}
    held = {claim.trial_id for claim in claims if tokens.get(claim.trial_id) == claim.token}
    return (rows[0].study_state if rows else None), held


@cache
def _select_held() -> sa.Select[Any]:
    studies, trials = table_of(StudyRecord), table_of(TrialRecord)
    ids: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
    # By their ids alone: with their state PostgreSQL may read the leases of all workers, and a token says as much.
    held = trials.c.id.in_(ids)
    query = sa.select(studies.c.state.label("study_state"), trials.c.id, trials.c.token)
    return query.outerjoin(trials, held).where(studies.c.id == sa.bindparam("of_study"))


def lock_held(session: Session, study_id: int, claims: Collection[Claim]) -> tuple[StudyState | None, set[int]]:
    """Read the same, and lock the trials; those that another worker has by now only until this transaction ends."""
    # By their ids alone, as in _select_held: the index of held trials was empty when PostgreSQL last counted it.
    state = sa.select(StudyRecord.state).where(StudyRecord.id == study_id)
    query = sa.select(TrialRecord.id, TrialRecord.token, state.scalar_subquery().label("study_state"))
    query = query.where(TrialRecord.id.in_([claim.trial_id for claim in claims])).order_by(TrialRecord.id)
    rows = session.execute(query.with_for_update(of=TrialRecord)).all()
    tokens = {claim.trial_id: claim.token for claim in claims}
    held = {row.id for row in rows if row.token == tokens[row.id]}
    return (rows[0].study_state if rows else session.scalar(state)), held


def trial_columns(outcome: Outcome) -> dict[str, Any]:
    """The columns of a TrialRecord that its outcome changes, beside the moment of its end."""
    columns: dict[str, Any] = {
        "state": TrialState(outcome.state.name),
        "token": None,
        "lease_expires_at": None,
        "checkpoint": None,
        "values": None if outcome.values is None else list(outcome.values),
        "value": None if not outcome.values else outcome.values[0],
        "reason": outcome.reason,
    }
    if outcome.result is not None:
        result = outcome.result
        columns |= {
            "metrics": _null_undefined(result.metrics),
            "weights": _null_undefined(result.weights),
            "epochs": result.epochs,
            "best_epoch": result.best_epoch,
            "stopped_early": result.stopped_early,
        }
    return columns


def keep_curve(session: Session, trial_id: int, result: TrialResult) -> None:
    """Record the learning curve of a trial that has ended, and the detail of its result."""
    detail = {**result.detail, "seconds": list(result.seconds)}
    _keep_curves(session, [{"trial_id": trial_id, "curve": _defined(result.curve), "detail": detail}])


def keep_running_curves(session: Session, curves: Mapping[int, Curve]) -> None:
    """Record the curves so far of running trials, by the ids of their rows."""
    _keep_curves(
        session, [{"trial_id": id_, "curve": _defined(curve), "detail": None} for id_, curve in curves.items()]
    )


def remove_curves(session: Session, trial_ids: Collection[int]) -> None:
    """Remove the curves of trials whose attempts gave no result."""
    if trial_ids:
        session.execute(sa.delete(CurveRecord).where(CurveRecord.trial_id.in_(trial_ids)))


def _defined(curve: Curve) -> dict[str, list[float | None]]:
    return {name: [value if math.isfinite(value) else None for value in column] for name, column in curve.items()}


def _keep_curves(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection = session.connection()
        connection.execute(_set_curve(connection.dialect.name), rows)


@cache
def _set_curve(dialect: str) -> Any:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    table = table_of(CurveRecord)
    statement = insert(table)
    changes = {name: statement.excluded[name] for name in ("curve", "detail")}
    return statement.on_conflict_do_update(index_elements=[table.c.trial_id], set_=changes)


def _null_undefined(values: Mapping[str, float]) -> dict[str, float | None]:
    """Replace values that are not finite by None, for JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
