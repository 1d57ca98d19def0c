"""Build Optuna's samplers, seeded by the study and the trial's number."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from studies.search.optuna_options import SAMPLERS, construct, options_of
from studies.search.tpe import thinned_tpe
from studies.seeds import ask_seed
from studies.spec.parameter import Range
from studies.spec.sampler import FINITE_SAMPLERS, SamplerName
from studies.spec.space import SearchSpace
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

#: Samplers whose points come from one shared sequence, so every ask must use the same seed.
_SEQUENCES: frozenset[SamplerName] = frozenset({"qmc", "grid"})


def build_sampler(spec: StudySpec, number: int) -> BaseSampler:
    """Build Optuna's sampler for the ask of one trial, seeded by the study's seed and the trial's number.

    A new sampler for each ask makes a trial depend on the seed and on the trials in view, never on the worker.
    """
    import optuna

    name = spec.sampler.name
    options = options_of(spec.sampler, "sampler")
    options["seed"] = spec.seed if name in _SEQUENCES else ask_seed(spec.seed, number)
    if name == "grid":
        options["search_space"] = grid(spec.space, options.pop("points"))
    if name == "qmc":
        options["warn_asynchronous_seeding"] = False
    constructor = _numbered_qmc() if name == "qmc" else getattr(optuna.samplers, SAMPLERS[name])
    if name == "tpe" and len(spec.objectives) == 1 and not options.get("group"):
        constructor = thinned_tpe()
    if name in FINITE_SAMPLERS:
        constructor = _without_stop(constructor)
    return cast("BaseSampler", construct(constructor, options, "sampler"))


@cache
def _numbered_qmc() -> type[BaseSampler]:
    from optuna.samplers import QMCSampler

    class NumberedQMC(QMCSampler):
        """QMC whose index in the sequence is the trial's number, for Optuna's counter is not shared between workers."""

        def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:  # noqa: ARG002
            return len(study.get_trials(deepcopy=False)) - 1

    return NumberedQMC


@cache
def _without_stop(sampler: type[BaseSampler]) -> type[BaseSampler]:
    class Unstopped(sampler):  # type: ignore[misc,valid-type]  # the class is the argument
        """Leaves the end to the budget: Optuna's sampler stops a loop that ask and tell do not have."""

        def after_trial(self, *_arguments: Any) -> None: ...

    return cast("type[BaseSampler]", Unstopped)


def grid(space: SearchSpace, points: int) -> dict[str, list[Any]]:
    """The values that a grid takes of each parameter: its choices, or so many points of its range."""
    import numpy as np

    values: dict[str, list[Any]] = {}
    for name, parameter in space.searched().items():
        if isinstance(parameter, tuple):
            values[name] = list(parameter)
        elif isinstance(parameter, Range):
            low, high = parameter.low, parameter.high
            spaced = (np.geomspace if parameter.log else np.linspace)(low, high, points)
            # Rounding in the last digit must not leave the range.
            inside = np.clip(spaced, low, high).tolist()
            values[name] = sorted({round(value) if isinstance(low, int) else value for value in inside})
    return values
