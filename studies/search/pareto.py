"""The Pareto front: trials that no other trial dominates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from studies.objectives import Direction, cost_sign

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Values = Sequence[Sequence[float]]


def front(values: Values, directions: Sequence[Direction]) -> list[int]:
    """Indices of the values that none dominates: at least as good in all objectives and better in one."""
    costs = _costs(values, directions)
    return [index for index, cost in enumerate(costs) if not _dominated(cost, costs)]


def is_on_front(value: Sequence[float], values: Values, directions: Sequence[Direction]) -> bool:
    """Return whether none of the values dominates this one."""
    return not _dominated(_costs([value], directions)[0], _costs(values, directions))


def _costs(values: Values, directions: Sequence[Direction]) -> npt.NDArray[np.float64]:
    signs = np.array([cost_sign(direction) for direction in directions])
    table = np.asarray(values, dtype=np.float64).reshape(len(values), len(directions))
    return np.asarray(table * signs)


def _dominated(cost: npt.NDArray[np.float64], costs: npt.NDArray[np.float64]) -> bool:
    return bool(((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any())


def is_best(trial: FrozenTrial, rivals: Iterable[FrozenTrial], directions: Sequence[Direction]) -> bool:
    """Return whether a finished trial is the best so far, or on the front of several objectives."""
    from optuna.trial import TrialState

    if trial.state != TrialState.COMPLETE:
        return False
    complete = [other.values for other in rivals if other.state == TrialState.COMPLETE]
    return is_on_front(trial.values, complete, directions)
