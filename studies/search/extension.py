"""Says whether a reproducible study that gets more trials is the same as one that had them from the start."""

from __future__ import annotations

from studies.search.auto_pruner import choose_pruner
from studies.search.grid import finite_grid
from studies.search.samplers import grid_points
from studies.spec.sampler import FINITE_SAMPLERS
from studies.spec.study import StudySpec


def why_other_trials(before: StudySpec, after: StudySpec) -> str | None:
    """Say why a study with the budget of `after` had other trials from the start; None when it had the same.

    A sampler knows the number of trials only where it takes the points of a grid, in an order that is drawn for them
    together.
    """
    if choose_pruner(before).part != choose_pruner(after).part:
        return f"of {after.budget.trials} trials other ones are pruned (pruner.name is auto)"
    if before.sampler.name in FINITE_SAMPLERS:
        grid, trials = finite_grid(before.space, grid_points(before)), before.budget.trials
        if grid.sample(before.seed, after.budget.trials)[:trials] != grid.sample(before.seed, trials):
            return f"for {after.budget.trials} trials the {before.sampler.name} has another order"
    return None
