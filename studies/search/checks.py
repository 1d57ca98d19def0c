"""Check that a study's sampler and pruner can serve it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from studies.errors import FieldError, InvalidSpecError
from studies.keras_config.errors import ConfigError
from studies.keras_config.layer_names import check_layer_names
from studies.search.auto_pruner import choose_pruner
from studies.search.enqueued import check_params
from studies.search.grid import finite_grid
from studies.search.optuna_options import field_error, options_of
from studies.search.pruners import build_pruner
from studies.search.samplers import build_sampler, grid_points
from studies.spec.dataset import SyntheticDataset
from studies.spec.model import KerasSpec
from studies.spec.parameter import Range, greatest
from studies.spec.sampler import FINITE_SAMPLERS, SamplerName
from studies.spec.study import StudySpec

_ONE_OBJECTIVE: frozenset[SamplerName] = frozenset({"cmaes"})


#: A penalty of a million times the weights leaves nothing of a data loss of about 1 in float32's seven digits.
_MAX_LAMBDA = 1e6
#: Adam moves every weight by about the learning rate: from here on a few layers leave the range of float32.
_MAX_LEARNING_RATE = 1e3
#: Values of a synthetic table: 800 MB.
_MAX_SYNTHETIC = 100_000_000


def check_magnitudes(spec: StudySpec) -> None:
    """Check that λ and the learning rate are within what float32 can train, and that synthetic data fits into memory.

    They are no bounds of the spec itself: studies of an earlier version may have others.

    Raises InvalidSpecError with every field that is not.
    """
    space = spec.space
    strengths: dict[str, Any] = {
        "lambda": space.lambda_,
        "bias_lambda": space.bias_lambda,
        "activity_lambda": space.activity_lambda,
    } | {f"layers.{index}.lambda": layer.lambda_ for index, layer in enumerate(space.layers or ())}
    limits = [(name, parameter, _MAX_LAMBDA) for name, parameter in strengths.items()]
    errors = [
        FieldError(f"space.{name}", f"{greatest(parameter):g} only overflows in float32; use at most {limit:g}")
        for name, parameter, limit in [*limits, ("learning_rate", space.learning_rate, _MAX_LEARNING_RATE)]
        if parameter is not None and greatest(parameter) > limit
    ]
    if isinstance(spec.dataset, SyntheticDataset):
        rows, (features,) = spec.dataset.facts.rows, spec.dataset.facts.shape
        if rows * features > _MAX_SYNTHETIC:
            message = f"{rows:,} rows of {features:,} features are more than {_MAX_SYNTHETIC:,} values; make fewer"
            errors.append(FieldError("dataset.rows", message))
    if errors:
        raise InvalidSpecError(errors)


def check_model(spec: StudySpec) -> None:
    """Check that a user's model has names of layers with which it can be trained; see `check_magnitudes`."""
    if isinstance(spec.model, KerasSpec):
        try:
            check_layer_names(spec.model.graph)
        except ConfigError as error:
            raise field_error("model.config", str(error)) from error


def check_search(spec: StudySpec) -> None:
    """Check the sampler and the pruner of a study; without Optuna, as beside a client, the server checks them.

    Raises InvalidSpecError when one cannot serve it.
    """
    if find_spec("optuna") is None:
        return
    several = len(spec.objectives) > 1
    if spec.sampler.name == "gp" and find_spec("torch") is None:
        raise field_error("sampler.name", "gp needs torch, which is not installed; install torch or use tpe")
    if several and spec.sampler.name in _ONE_OBJECTIVE:
        raise field_error(
            "sampler.name", f"{spec.sampler.name} takes one objective; use tpe, nsga2 or nsga3 for several"
        )
    if several and spec.pruner.name not in ("auto", "none"):
        raise field_error("pruner.name", "a study of several objectives cannot be pruned; use none")
    options_of(spec.pruner, "pruner")
    build_pruner(choose_pruner(spec).part)
    options_of(spec.sampler, "sampler")
    if spec.sampler.name in FINITE_SAMPLERS:
        _check_finite(spec)
    build_sampler(spec, 0)
    _check_enqueued(spec)


def _check_enqueued(spec: StudySpec) -> None:
    space = spec.space.distributions() if spec.enqueued else {}
    errors = [
        error
        for index, params in enumerate(spec.enqueued)
        for error in check_params(space, params, f"warm_start.enqueue.{index}")
    ]
    if errors:
        raise InvalidSpecError(errors)


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
