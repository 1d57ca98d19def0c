"""Optuna's samplers and pruners by name, their options read from Optuna's own signatures."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from studies.errors import FieldError, InvalidSpecError
from studies.field_errors import field_errors
from studies.spec.sampler import PrunerName, PrunerSpec, SamplerName, SamplerSpec

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
    "auto": "NopPruner",  # it has no options, and another pruner is chosen before one is built
    "none": "NopPruner",
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "successive_halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "threshold": "ThresholdPruner",
    "patient": "PatientPruner",
    "wilcoxon": "WilcoxonPruner",
}
#: Options that we set and no user.
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


def _at_least(minimum: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, int) and value < minimum:
            raise ValueError(f"must be at least {minimum}")
        return value

    return check


#: Bounds that Optuna checks only when the first trial reports, and of what takes memory or time by its size.
_BOUNDS: dict[str, Any] = {
    "reduction_factor": Field(ge=2, le=1000),
    "min_resource": AfterValidator(_at_least(1)),
    "max_resource": AfterValidator(_at_least(1)),
    "min_early_stopping_rate": Field(ge=0, le=100),  # an exponent
    "n_ei_candidates": Field(ge=1, le=10_000),
    "popsize": AfterValidator(_at_least(4)),
    "population_size": Field(ge=2, le=10_000),
    "dividing_parameter": Field(ge=1, le=50),  # of four objectives it makes 23,426 reference points
}
_MAX_WHOLE = 1_000_000_000
_PLAIN: dict[str, Any] = {
    "int": Annotated[int, Field(ge=-_MAX_WHOLE, le=_MAX_WHOLE)],
    "float": Annotated[float, Field(allow_inf_nan=False)],
    "bool": bool,
    "str": Annotated[str, Field(max_length=100)],
    "None": type(None),
}


def _plain_type(annotation: Any) -> Any | None:
    """The type of an option that JSON can carry; None for one that only code can give."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    names = [part.strip() for part in text.split("|")]
    return reduce(or_, (_PLAIN[name] for name in names)) if set(names) <= set(_PLAIN) else None


@cache
def option_model(family: Literal["samplers", "pruners"], class_name: str) -> type[BaseModel]:
    """A model of those options of one of Optuna's classes that plain JSON can give; it refuses all others."""
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


def options_of(part: SamplerSpec | PrunerSpec, field: str) -> dict[str, Any]:
    """The options of a sampler or pruner, by Optuna's own check of their types.

    Raises InvalidSpecError, which names `field` and the option, when one is unknown, missing or of another type.
    """
    family: Literal["samplers", "pruners"] = "samplers" if isinstance(part, SamplerSpec) else "pruners"
    classes: Mapping[Any, str] = SAMPLERS if isinstance(part, SamplerSpec) else PRUNERS
    model = option_model(family, classes[part.name])
    if part.options and "name" not in part.model_fields_set:
        raise field_error(f"{field}.name", f"this field is required beside options; choose from {', '.join(classes)}")
    try:
        options = model.model_validate(part.options)
    except ValidationError as error:
        known = ", ".join(model.model_fields) or "none at all"
        raise InvalidSpecError(_option_errors(error, field, part.name, known)) from None
    chosen = options.model_fields_set | (model.model_fields.keys() & {"points"})
    return {name: getattr(options, name) for name in chosen}


def _option_errors(error: ValidationError, field: str, name: str, known: str) -> list[FieldError]:
    """One error an option: of what may be a text or a number, both say what would be right."""
    messages: dict[str, list[str]] = {}
    for wrong in error.errors():
        option, *inner = wrong["loc"]
        where = ".".join([field, str(option), *(map(str, inner) if option == "wrapped" else ())])
        if wrong["type"] in _OPTION_MESSAGES:
            message = _OPTION_MESSAGES[wrong["type"]].format(name=name, known=known)
        else:
            message = field_errors([{**wrong, "loc": (option,)}])[0].message
        messages.setdefault(where, []).append(message)
    return [FieldError(where, " or ".join(dict.fromkeys(each))) for where, each in messages.items()]


def construct(constructor: Callable[..., Any], options: Mapping[str, Any], field: str) -> Any:
    """Construct one of Optuna's classes.

    Raises InvalidSpecError, which names `field`, when Optuna refuses its options.
    """
    from optuna.exceptions import ExperimentalWarning

    try:
        with warnings.catch_warnings():
            # The user chose it by name; that Optuna calls it experimental is in Optuna's documentation.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return constructor(**options)
    except (ValueError, TypeError) as error:
        raise InvalidSpecError([FieldError(field, str(error))]) from error


def field_error(field: str, message: str) -> InvalidSpecError:
    """The error of one field."""
    return InvalidSpecError([FieldError(field, message)])
