"""From a model's description and a trial's regularization to its Keras layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from studies.models import cnn, mlp, user_model
from studies.models.expression import Code, Expression
from studies.models.wiring import Wiring
from studies.objectives import Task
from studies.regularization import Regularization
from studies.spec.model import CnnSpec, KerasSpec, MlpSpec, ModelSpec
from studies.spec.optimizer import CosineSpec, ExponentialSpec, OptimizerSpec, ScheduleSpec

LOSSES: dict[Task, str] = {
    "binary": "binary_crossentropy",
    "multiclass": "sparse_categorical_crossentropy",
    "regression": "mean_squared_error",
}
_OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop"}
_OUTPUT_ACTIVATIONS: dict[Task, str] = {"binary": "sigmoid", "multiclass": "softmax", "regression": "linear"}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The layers of one trial's model, input first, output last."""

    layers: tuple[Expression, ...]
    loss: str  # Keras' name of the data loss
    wiring: Wiring | None = None  # of a functional model; the others are Sequential
    dropped_after: Mapping[str, int] | None = None  # of Dropout layers by name: the hidden layer whose rate each has

    def build(self, instead: Mapping[str, Callable[..., Any]] | None = None) -> Any:
        """The Keras model; loads Keras. `instead` holds constructors to call in place of Keras' own, by name."""
        import keras

        if self.wiring is not None:
            return self.wiring.model(self.layers, instead or {})
        return keras.Sequential([layer.evaluate(instead or {}) for layer in self.layers])


def design(
    spec: ModelSpec, input_shape: tuple[int, ...], task: Task, classes: int, regularization: Regularization
) -> Architecture:
    """The architecture: hidden layers with a kernel regularizer and dropout each, then the task's output layer.

    The output kernel is regularized only when there is no hidden layer, that is, when it is the whole model.
    """
    if isinstance(spec, KerasSpec):
        return _own(spec, input_shape, task, regularization)
    hidden = _hidden(spec, input_shape, regularization)
    linear = isinstance(spec, MlpSpec) and not spec.hidden_units
    output: dict[str, Any] = {"units": classes if task == "multiclass" else 1, "activation": _OUTPUT_ACTIVATIONS[task]}
    if linear:
        output |= mlp.weight_regularizers(regularization, 0)
    return Architecture(
        layers=(
            Expression("Input", {"shape": input_shape}),
            *hidden,
            Expression("layers.Dense", output),
        ),
        loss=LOSSES[task],
    )


def _own(spec: KerasSpec, input_shape: tuple[int, ...], task: Task, regularization: Regularization) -> Architecture:
    graph = spec.graph
    return Architecture(
        layers=user_model.expressions(graph, input_shape, regularization),
        loss=LOSSES[task],
        wiring=None if graph.sequential else Wiring(graph),
        dropped_after=user_model.dropped_after(graph),
    )


def _hidden(spec: MlpSpec | CnnSpec, input_shape: tuple[int, ...], regularization: Regularization) -> list[Expression]:
    if isinstance(spec, CnnSpec):
        return cnn.hidden_layers(spec, input_shape, regularization)
    flat = [Expression("layers.Flatten")] if len(input_shape) > 1 else []
    return flat + mlp.hidden_layers(spec.hidden_units, spec.activation, spec.batch_norm, regularization)


def optimizer_expression(spec: OptimizerSpec, learning_rate: float | Expression) -> Expression:
    """Keras' optimizer of a study at one trial's learning rate."""
    options = spec.model_dump(exclude={"name"})
    return Expression(f"optimizers.{optimizer_class(spec)}", {"learning_rate": learning_rate, **options})


def optimizer_class(spec: OptimizerSpec) -> str:
    """Keras' name of an optimizer; with `Proximal` before it, the one of studies.models.proximal."""
    return _OPTIMIZERS[spec.name]


def learning_rate_expression(
    spec: ScheduleSpec, initial: float, epoch_steps: int | Code, all_steps: int | Code
) -> float | Expression:
    """Keras' learning rate: a number, or a schedule over the steps of an epoch or of all epochs."""
    match spec:
        case CosineSpec():
            options = {"decay_steps": all_steps, "alpha": spec.alpha}
            return Expression("optimizers.schedules.CosineDecay", {"initial_learning_rate": initial, **options})
        case ExponentialSpec():
            options = {"decay_steps": epoch_steps, "decay_rate": spec.decay_rate}
            return Expression("optimizers.schedules.ExponentialDecay", {"initial_learning_rate": initial, **options})
    return initial
