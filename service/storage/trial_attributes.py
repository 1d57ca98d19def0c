"""The user attributes of a trial: what the Optuna dashboard shows of it beside params, values and curve.

Optuna's params are what its sampler drew, which cannot be changed without changing what it learns from them. Where the
API shows other params, the attributes say how they differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

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
    attributes: dict[str, Any] = {}
    if outcome.reason is not None and outcome.state != TrialState.PRUNED:
        attributes["reason"] = outcome.reason
    if (result := outcome.result) is None:
        return attributes
    measured = {**result.metrics, **result.weights, "epochs": result.epochs, "best_epoch": result.best_epoch}
    shown = {name: measured[name] for name in _SHOWN if name in measured and name not in objectives}
    return attributes | {name: value for name, value in shown.items() if math.isfinite(value)}
