"""Writes a trial's rows for the worker that holds it: TrialRecord and CurveRecord."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.database import unix_now
from service.storage.records import CurveRecord, TrialRecord, table_of
from service.storage.states import TrialState
from studies.sweep.ledger import Claim, Outcome
from studies.training.result import TrialResult


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


def insert_curve(session: Session, trial_id: int, result: TrialResult) -> None:
    """Record the learning curve of a trial, and the detail of its result."""
    curve = {
        name: [value if math.isfinite(value) else None for value in column] for name, column in result.curve.items()
    }
    detail = {**result.detail, "seconds": list(result.seconds)}
    session.connection().execute(_insert_curve(), {"trial_id": trial_id, "curve": curve, "detail": detail})


@cache
def _insert_curve() -> sa.Insert:
    return sa.insert(table_of(CurveRecord))


def _null_undefined(values: Mapping[str, float]) -> dict[str, float | None]:
    """Replace values that are not finite by None, for JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
