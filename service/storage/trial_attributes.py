"""The user attributes of a trial: what the Optuna dashboard shows of it beside params, values and curve.

Optuna's params are what its sampler drew, which cannot be changed without changing what it learns from them. Where the
API shows other params, the attributes say how they differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from service.storage.records import MARKED_INVALID, TrialRecord
from studies.reasons import one_line
from studies.sweep.ledger import Outcome

#: What is shown of a result; a row each is written at the end of every trial.
_SHOWN = ("val_loss", "val_accuracy", "val_auc", "val_r2", "val_mae", "gap", "zero_share", "epochs", "best_epoch")
NO_EFFECT = "no_effect"  # names the params that were drawn and that the drawn regularizer gives no effect


def at_opening(template: FrozenTrial, params: Mapping[str, Any], *, is_planned: bool) -> dict[str, Any]:
    """What is to be said of a trial's effective params: of a planned trial all, for Optuna's name its technique alone.

    Of a trial that the sampler drew, the names of those without effect.
    """
    if is_planned:
        return {name: value for name, value in params.items() if value is not None}
    drawn = {name for name, value in template.params.items() if value not in (None, "none")}
    no_effect = sorted(name for name in drawn if params.get(name) is None)
    return {NO_EFFECT: ", ".join(no_effect)} if no_effect else {}


def at_end(outcome: Outcome, objectives: Sequence[str]) -> dict[str, Any]:
    """The reason of a trial that failed or was cut, its finite metrics, its share of exact zeros and its epochs.

    The objectives are not among them: they are Optuna's values.
    """
    attributes = _reason(outcome.state.name, outcome.reason)
    if (result := outcome.result) is None:
        return attributes
    measured = {**result.metrics, **result.weights, "epochs": result.epochs, "best_epoch": result.best_epoch}
    return attributes | _shown(measured, objectives)


def of_record(trial: TrialRecord, template: FrozenTrial, objectives: Sequence[str]) -> dict[str, Any]:
    """All that is to be said of a trial, from its record: as at its opening and, if it has ended, at its end."""
    attributes = at_opening(template, trial.params or {}, is_planned=trial.plan is not None)
    measured = {**(trial.metrics or {}), **(trial.weights or {})}
    measured |= {"epochs": trial.epochs, "best_epoch": trial.best_epoch}
    return attributes | _reason(trial.state, trial.reason) | _shown(measured, objectives)


def _reason(state: str, reason: str | None) -> dict[str, Any]:
    if reason is None or state == TrialState.PRUNED.name:
        return {}
    # Earlier versions kept whole errors, which a repair would bring back; what a user wrote stays.
    return {"reason": reason if reason.startswith(MARKED_INVALID) else one_line(reason)}


def _shown(measured: Mapping[str, float | None], objectives: Sequence[str]) -> dict[str, Any]:
    shown = {name: measured[name] for name in _SHOWN if name in measured and name not in objectives}
    return {name: value for name, value in shown.items() if value is not None and math.isfinite(value)}
