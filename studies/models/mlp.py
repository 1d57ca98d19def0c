"""Design dense hidden layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.models.expression import Expression
from studies.regularization import Penalty, Regularization


def regularizer(penalty: Penalty) -> Expression | None:
    """Write Keras' regularizer of a penalty; None where there is none, also for want of strength."""
    if not penalty.lambda_:
        return None  # one of strength 0 makes the gradient of an embedding dense, which trains it otherwise
    match penalty.kind:
        case "none":
            return None
        case "l1":
            return Expression("regularizers.L1", {"l1": penalty.l1})
        case "l2":
            return Expression("regularizers.L2", {"l2": penalty.l2})
        case "elastic_net":
            return Expression("regularizers.L1L2", {"l1": penalty.l1, "l2": penalty.l2})


def weight_regularizers(regularization: Regularization, index: int) -> dict[str, Expression | None]:
    """Write the regularizers of one layer's weights."""
    kernel = {"kernel_regularizer": regularizer(regularization.layer(index).kernel)}
    return kernel | _optional_regularizer("bias_regularizer", regularization.bias)


def _optional_regularizer(argument: str, penalty: Penalty) -> dict[str, Expression | None]:
    return {} if penalty.kind == "none" else {argument: regularizer(penalty)}


def regularized_layer(
    layer: str,
    arguments: Mapping[str, Any],
    activation: str,
    batch_norm: bool,
    regularization: Regularization,
    index: int,
) -> list[Expression]:
    """Design the hidden layer of an index: weights with their penalties, batch normalization, activation."""
    weights = {**arguments, **weight_regularizers(regularization, index)}
    output = {"activation": activation, **_optional_regularizer("activity_regularizer", regularization.activity)}
    if not batch_norm:
        return [Expression(layer, {**weights, **output})]
    # The normalization's own offset makes a bias before it redundant.
    weights.pop("bias_regularizer", None)
    return [
        Expression(layer, {**weights, "use_bias": False}),
        Expression("layers.BatchNormalization"),
        Expression("layers.Activation", output),
    ]


def dropout(regularization: Regularization, index: int) -> Expression:
    """Write the Dropout layer behind a hidden layer; a rate of 0 changes nothing."""
    return Expression("layers.Dropout", {"rate": regularization.layer(index).dropout})


def hidden_layers(
    hidden_units: Sequence[int], activation: str, batch_norm: bool, regularization: Regularization, first: int = 0
) -> list[Expression]:
    """Design dense layers of these units, each followed by dropout; `first` is the index of the first."""
    layers: list[Expression] = []
    for index, units in enumerate(hidden_units, first):
        layers += regularized_layer("layers.Dense", {"units": units}, activation, batch_norm, regularization, index)
        layers.append(dropout(regularization, index))
    return layers
