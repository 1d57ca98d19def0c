"""The trials that no other trial beats in every objective."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from studies.objectives import Direction

Values = Sequence[Sequence[float]]


def front(values: Values, directions: Sequence[Direction]) -> list[int]:
    """Positions of the values that none dominates: at least as good in all objectives and better in one."""
    costs = _costs(values, directions)
    return [position for position, cost in enumerate(costs) if not _dominated(cost, costs)]


def is_on_front(value: Sequence[float], values: Values, directions: Sequence[Direction]) -> bool:
    """Whether none of the values dominates this one."""
    return not _dominated(_costs([value], directions)[0], _costs(values, directions))


def _costs(values: Values, directions: Sequence[Direction]) -> npt.NDArray[np.float64]:
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    table = np.asarray(values, dtype=np.float64).reshape(len(values), len(directions))
    return np.asarray(table * signs)


def _dominated(cost: npt.NDArray[np.float64], costs: npt.NDArray[np.float64]) -> bool:
    return bool(((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any())
