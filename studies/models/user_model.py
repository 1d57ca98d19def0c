"""Write the layers of a user's model with a trial's regularization in them."""

from __future__ import annotations

from typing import Any

from studies.keras_config.catalog import LAYERS
from studies.keras_config.graph import Graph, KerasObject, Layer
from studies.models import mlp
from studies.models.expression import Expression
from studies.regularization import Regularization


def layer_expressions(
    graph: Graph, input_shape: tuple[int, ...], regularization: Regularization
) -> tuple[Expression, ...]:
    """Write the input, a row, and every layer: hidden kernels with their penalties, dropout at its rates."""
    indices = {name: index for index, name in enumerate(graph.regularized)}
    expressions = [Expression("Input", {"shape": input_shape, "name": graph.input})]
    for layer in graph.layers:
        if not layer.operation:
            rate = regularization.layer(graph.regularized_index(layer.name)).dropout if layer.drops else 0.0
            expressions.append(_layer_expression(layer, indices.get(layer.name), regularization, rate))
    return tuple(expressions)


def _layer_expression(layer: Layer, index: int | None, regularization: Regularization, rate: float) -> Expression:
    arguments: dict[str, Any] = {"name": layer.name}
    if layer.frozen:
        arguments["trainable"] = False
    if layer.kind == "Normalization" and "mean" not in layer.arguments:
        arguments |= {"mean": 0.0, "variance": 1.0}  # as Keras does before it is adapted, without weights of its own
    for name, value in layer.arguments.items():
        if isinstance(value, Layer):
            arguments[name] = _layer_expression(value, index, regularization, rate)
        else:
            arguments[name] = _object_expression(value)
    arguments |= dict.fromkeys(layer.rates, rate)
    if index is not None and not isinstance(layer.arguments.get("layer"), Layer):
        arguments |= _penalties(layer, index, regularization)
    return Expression(f"{LAYERS[layer.kind].module.removeprefix('keras.')}.{layer.kind}", arguments)


def _penalties(layer: Layer, index: int, regularization: Regularization) -> dict[str, Expression]:
    kernel = mlp.regularizer(regularization.layer(index).kernel)
    penalties: dict[str, Expression | None] = dict.fromkeys(layer.kernels, kernel)
    if "bias_regularizer" in LAYERS[layer.kind].arguments:
        penalties["bias_regularizer"] = mlp.regularizer(regularization.bias)
    penalties["activity_regularizer"] = mlp.regularizer(regularization.activity)
    return {name: regularizer for name, regularizer in penalties.items() if regularizer is not None}


def _object_expression(value: Any) -> Any:
    return Expression(value.name, dict(value.arguments)) if isinstance(value, KerasObject) else value
