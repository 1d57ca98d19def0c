"""Check that a study's sampler and pruner can serve it."""

from __future__ import annotations

from importlib.util import find_spec

from studies.search.grid import finite_grid
from studies.search.optuna_options import field_error, options_of
from studies.search.pruners import build_pruner
from studies.search.samplers import build_sampler, grid_points
from studies.spec.parameter import Range
from studies.spec.sampler import FINITE_SAMPLERS, SamplerName
from studies.spec.study import StudySpec

_ONE_OBJECTIVE: frozenset[SamplerName] = frozenset({"cmaes"})


def check_search(spec: StudySpec) -> None:
    """Check the sampler and the pruner of a study.

    Raises InvalidSpecError when one cannot serve it.
    """
    several = len(spec.objectives) > 1
    if spec.sampler.name == "gp" and find_spec("torch") is None:
        raise field_error("sampler.name", "gp needs torch, which is not installed; install torch or use tpe")
    if several and spec.sampler.name in _ONE_OBJECTIVE:
        raise field_error(
            "sampler.name", f"{spec.sampler.name} takes one objective; use tpe, nsga2 or nsga3 for several"
        )
    if several and spec.pruner.name != "none":
        raise field_error("pruner.name", "a study of several objectives cannot be pruned; use none")
    build_pruner(spec.pruner)
    options_of(spec.sampler, "sampler")
    if spec.sampler.name in FINITE_SAMPLERS:
        _check_finite(spec)
    build_sampler(spec, 0)


def _check_finite(spec: StudySpec) -> None:
    if spec.sampler.name == "brute_force":
        for name, parameter in spec.space.searched().items():
            if isinstance(parameter, Range) and isinstance(parameter.low, float):
                raise field_error(
                    f"space.{name}", "brute_force tries every choice and a range has no end of them; list choices"
                )
    size = finite_grid(spec.space, grid_points(spec)).size
    if spec.budget.trials > size:
        raise field_error(
            "budget.trials",
            f"the {spec.sampler.name} has {size} distinct points; ask for at most {size} trials",
        )
