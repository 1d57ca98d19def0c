"""Optuna's samplers and pruners by name, their options read from Optuna's own signatures."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import cache, reduce
from importlib.util import find_spec
from math import prod
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from studies.errors import FieldError, InvalidSpecError
from studies.search.tpe import thinned_tpe
from studies.seeds import ask_seed
from studies.spec.parameter import Range
from studies.spec.sampler import PrunerName, PrunerSpec, SamplerName, SamplerSpec
from studies.spec.space import SearchSpace
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study

SAMPLERS: dict[SamplerName, str] = {
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "nsga2": "NSGAIISampler",
    "nsga3": "NSGAIIISampler",
    "grid": "GridSampler",
    "brute_force": "BruteForceSampler",
}
PRUNERS: dict[PrunerName, str] = {
    "none": "NopPruner",
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "successive_halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "threshold": "ThresholdPruner",
    "patient": "PatientPruner",
    "wilcoxon": "WilcoxonPruner",
}
#: Samplers whose points come from one shared sequence, so every ask must use the same seed.
_SEQUENCES: frozenset[SamplerName] = frozenset({"qmc", "grid"})
_ONE_OBJECTIVE: frozenset[SamplerName] = frozenset({"cmaes"})
_FINITE: frozenset[SamplerName] = frozenset({"grid", "brute_force"})
#: Options that the study sets itself.
_SET_BY_STUDY = frozenset({"seed", "warn_independent_sampling", "warn_asynchronous_seeding"})
_DEPRECATED = frozenset(
    {
        "consider_prior",
        "prior_weight",
        "consider_magic_clip",
        "consider_endpoints",
        "sigma0",
        "restart_strategy",
        "inc_popsize",
    }
)


def _at_least(least: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, int) and value < least:
            raise ValueError(f"must be at least {least}")
        return value

    return check


#: Bounds that Optuna checks only when the first trial reports.
_BOUNDS: dict[str, Any] = {
    "reduction_factor": Field(ge=2),
    "min_resource": AfterValidator(_at_least(1)),
    "max_resource": AfterValidator(_at_least(1)),
    "n_ei_candidates": Field(ge=1),
    "popsize": AfterValidator(_at_least(4)),
}
_PLAIN = {"int": int, "float": float, "bool": bool, "str": str, "None": type(None)}


def _plain_type(annotation: Any) -> Any | None:
    """The type of an option that JSON can carry, None for what only code can give."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    names = [part.strip() for part in text.split("|")]
    return reduce(or_, (_PLAIN[name] for name in names)) if set(names) <= set(_PLAIN) else None


@cache
def option_model(family: Literal["samplers", "pruners"], class_name: str) -> type[BaseModel]:
    """The options of one of Optuna's classes that plain JSON can give, as a model that refuses all others."""
    import optuna

    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(getattr(getattr(optuna, family), class_name)).parameters.items():
        plain = _plain_type(parameter.annotation)
        if plain is not None and name not in _SET_BY_STUDY | _DEPRECATED:
            plain = Annotated[plain, _BOUNDS[name]] if name in _BOUNDS else plain
            fields[name] = (plain, ... if parameter.default is inspect.Parameter.empty else parameter.default)
    if class_name == "GridSampler":
        fields["points"] = (Annotated[int, Field(ge=2, le=1000)], 5)
    if class_name == "PatientPruner":
        fields["wrapped"] = (PrunerSpec, PrunerSpec(name="median"))
    return create_model(class_name, __config__=ConfigDict(extra="forbid"), **fields)


def option_schemas() -> dict[str, dict[str, Any]]:
    """The JSON schema of every sampler's and pruner's options, by x-samplers and x-pruners and then by name."""
    return {
        "x-samplers": {n: option_model("samplers", c).model_json_schema() for n, c in SAMPLERS.items()},
        "x-pruners": {n: option_model("pruners", c).model_json_schema() for n, c in PRUNERS.items()},
    }


_OPTION_MESSAGES = {
    "extra_forbidden": "{name} has no such option; it knows {known}",
    "missing": "{name} needs this option",
}


def _options(part: SamplerSpec | PrunerSpec, field: str) -> dict[str, Any]:
    family: Literal["samplers", "pruners"] = "samplers" if isinstance(part, SamplerSpec) else "pruners"
    classes: Mapping[Any, str] = SAMPLERS if isinstance(part, SamplerSpec) else PRUNERS
    model = option_model(family, classes[part.name])
    if part.options and "name" not in part.model_fields_set:
        raise _wrong(f"{field}.name", f"this field is required beside options; choose from {', '.join(classes)}")
    try:
        options = model.model_validate(part.options)
    except ValidationError as error:
        known = ", ".join(model.model_fields) or "none at all"
        raise InvalidSpecError(
            [
                FieldError(
                    ".".join([field, *map(str, e["loc"])]),
                    _OPTION_MESSAGES.get(e["type"], e["msg"]).format(name=part.name, known=known),
                )
                for e in error.errors()
            ]
        ) from None
    given = options.model_fields_set | (model.model_fields.keys() & {"points"})
    return {name: getattr(options, name) for name in given}


def build_pruner(part: PrunerSpec, field: str = "pruner") -> BasePruner:
    """Optuna's pruner; InvalidSpecError names an option that is unknown or that Optuna refuses."""
    import optuna

    options = _options(part, field)
    if part.name == "patient":
        wrapped = options.pop("wrapped", PrunerSpec(name="median"))
        options["wrapped_pruner"] = build_pruner(wrapped, f"{field}.wrapped")
    return cast("BasePruner", _construct(getattr(optuna.pruners, PRUNERS[part.name]), options, field))


def build_sampler(spec: StudySpec, number: int) -> BaseSampler:
    """Optuna's sampler for the ask of one trial, seeded by the study's seed and the trial's number.

    A new sampler an ask makes a trial depend on the seed and on the trials in view, never on which worker asked.
    """
    import optuna

    name = spec.sampler.name
    options = _options(spec.sampler, "sampler")
    options["seed"] = spec.seed if name in _SEQUENCES else ask_seed(spec.seed, number)
    if name == "grid":
        options["search_space"] = _grid(spec.space, options.pop("points"))
    if name == "qmc":
        options["warn_asynchronous_seeding"] = False
    constructor = _numbered_qmc() if name == "qmc" else getattr(optuna.samplers, SAMPLERS[name])
    if name == "tpe" and len(spec.objectives) == 1 and not options.get("group"):
        constructor = thinned_tpe()
    if name in _FINITE:
        constructor = _without_stop(constructor)
    return cast("BaseSampler", _construct(constructor, options, "sampler"))


def _construct(constructor: Callable[..., Any], options: Mapping[str, Any], field: str) -> Any:
    from optuna.exceptions import ExperimentalWarning

    try:
        with warnings.catch_warnings():
            # The user chose it by name; that Optuna calls it experimental is in Optuna's documentation.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return constructor(**options)
    except (ValueError, TypeError) as error:
        raise InvalidSpecError([FieldError(field, str(error))]) from error


@cache
def _numbered_qmc() -> type[BaseSampler]:
    from optuna.samplers import QMCSampler

    class NumberedQMC(QMCSampler):
        """QMC whose place in the sequence is the trial's number; Optuna's counter is not shared between workers."""

        def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:  # noqa: ARG002
            return len(study.get_trials(deepcopy=False)) - 1

    return NumberedQMC


@cache
def _without_stop(sampler: type[BaseSampler]) -> type[BaseSampler]:
    class Unstopped(sampler):  # type: ignore[misc,valid-type]  # the class is the argument
        """A sampler that leaves the end to the budget: Optuna's stops a loop that ask and tell do not have."""

        def after_trial(self, *_arguments: Any) -> None: ...

    return cast("type[BaseSampler]", Unstopped)


def _grid(space: SearchSpace, points: int) -> dict[str, list[Any]]:
    import numpy as np

    grid: dict[str, list[Any]] = {}
    for name, form in space.searched().items():
        if isinstance(form, tuple):
            grid[name] = list(form)
        elif isinstance(form, Range):
            values = (np.geomspace if form.log else np.linspace)(form.low, form.high, points)
            whole = isinstance(form.low, int)
            # Rounding in the last place must not leave the range.
            inside = np.clip(values, form.low, form.high).tolist()
            grid[name] = sorted({round(v) if whole else v for v in inside})
    return grid


def check(spec: StudySpec) -> None:
    """Raise InvalidSpecError when the sampler or the pruner cannot serve this study."""
    several = len(spec.objectives) > 1
    if spec.sampler.name == "gp" and find_spec("torch") is None:
        raise _wrong("sampler.name", "gp needs torch, which is not installed; install torch or use tpe")
    if several and spec.sampler.name in _ONE_OBJECTIVE:
        raise _wrong("sampler.name", f"{spec.sampler.name} takes one objective; use tpe, nsga2 or nsga3 for several")
    if several and spec.pruner.name != "none":
        raise _wrong("pruner.name", "a study of several objectives cannot be pruned; use none")
    build_pruner(spec.pruner)
    build_sampler(spec, 0)
    if spec.sampler.name in _FINITE:
        _check_finite(spec)


def _check_finite(spec: StudySpec) -> None:
    if spec.sampler.name == "brute_force":
        for name, form in spec.space.searched().items():
            if isinstance(form, Range) and isinstance(form.low, float):
                raise _wrong(
                    f"space.{name}", "brute_force tries every choice and a range has no end of them; list choices"
                )
    sizes = [
        len(form) if isinstance(form, tuple) else form.high - form.low + 1
        for form in spec.space.searched().values()
        if isinstance(form, tuple | Range)
    ]
    if spec.sampler.name == "grid":
        sizes = [len(values) for values in _grid(spec.space, _options(spec.sampler, "sampler")["points"]).values()]
    size = prod(sizes)
    if spec.budget.trials > size:
        raise _wrong("budget.trials", f"the {spec.sampler.name} has {size} points; ask for at most {size} trials")


def _wrong(field: str, message: str) -> InvalidSpecError:
    return InvalidSpecError([FieldError(field, message)])
