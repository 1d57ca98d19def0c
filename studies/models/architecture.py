"""Design the Keras layers of a model from its description and a trial's regularization."""

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

    def build(self, constructors: Mapping[str, Callable[..., Any]] | None = None) -> Any:
        """Build the Keras model; loads Keras. `constructors` are called in place of Keras' own, by name."""
        import keras

        if self.wiring is not None:
            return self.wiring.build(self.layers, constructors or {})
        return keras.Sequential([layer.evaluate(constructors or {}) for layer in self.layers])

    def build_divided(self) -> Any:
        """Build the Keras model with the inputs of the user's model; see `divides`."""
        return self.build() if self.wiring is None else self.wiring.build_divided(self.layers)

    @property
    def divides(self) -> bool:
        """True when the model's inputs are parts of a row."""
        return self.wiring is not None and bool(self.wiring.graph.dividing)


def design(
    spec: ModelSpec, input_shape: tuple[int, ...], task: Task, classes: int, regularization: Regularization
) -> Architecture:
    """Design hidden layers with a kernel regularizer and dropout each, then the task's output layer.

    The output kernel is regularized only when there is no hidden layer, so that it is the whole model.
    """
    if isinstance(spec, KerasSpec):
        return _design_user_model(spec, input_shape, task, regularization)
    hidden = _hidden_layers(spec, input_shape, regularization)
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


def _design_user_model(
    spec: KerasSpec, input_shape: tuple[int, ...], task: Task, regularization: Regularization
) -> Architecture:
    graph = spec.graph
    return Architecture(
        layers=user_model.layer_expressions(graph, input_shape, regularization),
        loss=LOSSES[task],
        wiring=None if graph.sequential else Wiring(graph),
    )


def _hidden_layers(
    spec: MlpSpec | CnnSpec, input_shape: tuple[int, ...], regularization: Regularization
) -> list[Expression]:
    if isinstance(spec, CnnSpec):
        return cnn.hidden_layers(spec, input_shape, regularization)
    flat = [Expression("layers.Flatten")] if len(input_shape) > 1 else []
    return flat + mlp.hidden_layers(spec.hidden_units, spec.activation, spec.batch_norm, regularization)


def optimizer_expression(spec: OptimizerSpec, learning_rate: float | Expression) -> Expression:
    """Write Keras' optimizer of a study at one trial's learning rate."""
    options = spec.model_dump(exclude={"name"})
    return Expression(f"optimizers.{optimizer_class(spec)}", {"learning_rate": learning_rate, **options})


def optimizer_class(spec: OptimizerSpec) -> str:
    """Keras' name of an optimizer; `Proximal` before it names the one in studies.models.proximal."""
    return _OPTIMIZERS[spec.name]


def learning_rate_expression(
    spec: ScheduleSpec, initial: float, epoch_steps: int | Code, all_steps: int | Code
) -> float | Expression:
    """Write Keras' learning rate: a number, or a schedule over the steps of an epoch or of all epochs."""
    match spec:
        case CosineSpec():
            options = {"decay_steps": all_steps, "alpha": spec.alpha}
            return Expression("optimizers.schedules.CosineDecay", {"initial_learning_rate": initial, **options})
        case ExponentialSpec():
            options = {"decay_steps": epoch_steps, "decay_rate": spec.decay_rate}
            return Expression("optimizers.schedules.ExponentialDecay", {"initial_learning_rate": initial, **options})
    return initial
