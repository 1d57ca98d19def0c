"""What `model.compile` said of a keras.Model -> the task and the optimizer of a study."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from studies.objectives import Task
from studies.spec.optimizer import AdamSpec, AdamWSpec, RmspropSpec, SgdSpec

_TASKS: dict[Task, frozenset[str]] = {
    "binary": frozenset({"binary_crossentropy", "binary_focal_crossentropy", "bce", "auc", "binary_accuracy"}),
    "multiclass": frozenset(
        {"categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"}
        | {"categorical_accuracy", "sparse_categorical_accuracy"}
    ),
    "regression": frozenset(
        {"mean_squared_error", "mse", "mean_absolute_error", "mae", "huber", "huber_loss", "log_cosh", "r2_score"}
        | {"mean_squared_logarithmic_error", "msle", "mean_absolute_percentage_error", "mape"}
        | {"root_mean_squared_error"}
    ),
}
#: The losses that are trained with; others of a task are trained as these.
_TRAINED = frozenset(
    {"binary_crossentropy", "bce", "categorical_crossentropy", "sparse_categorical_crossentropy"}
    | {"mean_squared_error", "mse"}
)
_OPTIMIZERS: dict[str, type[BaseModel]] = {"adam": AdamSpec, "adamw": AdamWSpec, "sgd": SgdSpec, "rmsprop": RmspropSpec}


def read_task(model: Any) -> Task | None:
    """The task of a compiled model's loss, else of its metrics; None where neither says it."""
    config = _compile_config(model)
    loss = _name(config.get("loss"))
    metrics = config.get("metrics") or ()
    for name in [loss, *(_name(one) for one in (metrics if isinstance(metrics, list | tuple) else [metrics]))]:
        for task in get_args(Task):
            if name in _TASKS[task]:
                if name == loss and name not in _TRAINED:
                    _warn(f"the loss {name} is not among those of a study, which trains a {task} task with its own")
                return task  # type: ignore[no-any-return]  # one of Task's
    return None


def read_training(model: Any) -> tuple[dict[str, Any], float | None]:
    """The optimizer of a compiled model as `training` says it, and its learning rate, where it is a number."""
    optimizer = _compile_config(model).get("optimizer")
    if optimizer is None:
        return {}, None
    options = optimizer.get("config", {}) if isinstance(optimizer, Mapping) else {}
    name = str(optimizer.get("class_name", "") if isinstance(optimizer, Mapping) else optimizer).lower()
    spec = _OPTIMIZERS.get(name)
    if spec is None:
        _warn(f"the optimizer {name} is not among those of a study ({', '.join(_OPTIMIZERS)}); adam is used")
        return {}, None
    known = {field: options[field] for field in spec.model_fields if options.get(field) is not None}
    rate = options.get("learning_rate")
    if not isinstance(rate, int | float):
        return {"optimizer": known | {"name": name}}, None
    return {"optimizer": known | {"name": name}}, float(f"{rate:.7g}")  # Keras keeps it as a float32


def _compile_config(model: Any) -> Mapping[str, Any]:
    read = getattr(model, "get_compile_config", None)
    return (read() or {}) if callable(read) else {}


def _name(serialized: Any) -> str:
    """The name of a loss or metric as Keras serializes it: a text, or a class with its config."""
    if isinstance(serialized, Mapping):
        config = serialized.get("config")
        if isinstance(config, Mapping):
            return str(config.get("name") or serialized.get("class_name"))
        return str(config)
    return str(serialized).lower()


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=5)
