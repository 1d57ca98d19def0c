"""The rows of a trial that has ended: columns of TrialRecord and CurveRecord."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from service.storage.states import TrialState
from studies.sweep.ledger import Outcome
from studies.training.result import TrialResult


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


def curve_row(trial_id: int, result: TrialResult) -> dict[str, Any]:
    """The CurveRecord of a trial."""
    curve = {
        name: [value if math.isfinite(value) else None for value in column] for name, column in result.curve.items()
    }
    return {"trial_id": trial_id, "curve": curve, "detail": {**result.detail, "seconds": list(result.seconds)}}


def _null_undefined(values: Mapping[str, float]) -> dict[str, float | None]:
    """Replace values that are not finite by None, for JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
