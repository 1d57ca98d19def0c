"""Build Optuna's samplers, seeded by the study and the trial's number."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from studies.search.grid import grid_sampler
from studies.search.optuna_options import SAMPLERS, construct, options_of
from studies.search.tpe import thinned_tpe
from studies.seeds import ask_seed
from studies.spec.sampler import FINITE_SAMPLERS, SamplerName
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

#: Samplers whose points come from one shared sequence, so every ask must use the same seed.
_SEQUENCES: frozenset[SamplerName] = frozenset({"qmc"})


def build_sampler(spec: StudySpec, number: int, last: BaseSampler | None = None) -> BaseSampler:
    """Build Optuna's sampler for the ask of one trial, seeded by the study's seed and the trial's number.

    A new sampler for each ask makes a trial depend on the seed and on the trials in view, never on the worker. TPE's
    `last` one for the same study is taken with the new seed instead, which is the same and costs less.
    """
    import optuna

    name = spec.sampler.name
    if name == "tpe" and isinstance(last, thinned_tpe()):
        cast("Any", last).reseed(ask_seed(spec.seed, number))
        return last
    if name in FINITE_SAMPLERS:
        return grid_sampler(spec.space, grid_points(spec), spec.seed, spec.budget.trials)
    options = options_of(spec.sampler, "sampler")
    options["seed"] = spec.seed if name in _SEQUENCES else ask_seed(spec.seed, number)
    if name == "qmc":
        options["warn_asynchronous_seeding"] = False
    constructor = _numbered_qmc() if name == "qmc" else getattr(optuna.samplers, SAMPLERS[name])
    if name == "tpe" and len(spec.objectives) == 1 and not options.get("group"):
        constructor = thinned_tpe()
    return cast("BaseSampler", construct(constructor, options, "sampler"))


def grid_points(spec: StudySpec) -> int | None:
    """The points that a grid takes of each range; None for brute force, which takes every whole number."""
    points: int | None = options_of(spec.sampler, "sampler").get("points")
    return points


@cache
def _numbered_qmc() -> type[BaseSampler]:
    from optuna.samplers import QMCSampler

    class NumberedQMC(QMCSampler):
        """QMC whose index in the sequence is the trial's number, for Optuna's counter is not shared between workers."""

        def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:  # noqa: ARG002
            return len(study.get_trials(deepcopy=False)) - 1

    return NumberedQMC
