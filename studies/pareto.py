"""The trials that no other trial beats in every objective."""

from collections.abc import Sequence

import numpy as np

from studies.objectives import Direction


def front(values: Sequence[Sequence[float]], directions: Sequence[Direction]) -> list[int]:
    """Positions of the values that none dominates: at least as good in all objectives and better in one."""
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in directions])
    costs = np.asarray(values, dtype=np.float64).reshape(len(values), len(directions)) * signs
    return [
        position
        for position, cost in enumerate(costs)
        if not ((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()
    ]
