"""Dense hidden layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.models.expression import Expression
from studies.regularization import Regularization


def kernel_regularizer(regularization: Regularization) -> Expression | None:
    """Keras' regularizer of the trial, None where there is no penalty."""
    match regularization.kind:
        case "none":
            return None
        case "l1":
            return Expression("regularizers.L1", {"l1": regularization.l1})
        case "l2":
            return Expression("regularizers.L2", {"l2": regularization.l2})
        case "elastic_net":
            return Expression("regularizers.L1L2", {"l1": regularization.l1, "l2": regularization.l2})


def regularized(
    layer: str, arguments: Mapping[str, Any], activation: str, batch_norm: bool, regularization: Regularization
) -> list[Expression]:
    """One hidden layer: kernel with its penalty, batch normalization if asked for, activation."""
    kernel = {**arguments, "kernel_regularizer": kernel_regularizer(regularization)}
    if not batch_norm:
        return [Expression(layer, {**kernel, "activation": activation})]
    return [
        # The normalization's own offset makes a bias before it redundant.
        Expression(layer, {**kernel, "use_bias": False}),
        Expression("layers.BatchNormalization"),
        Expression("layers.Activation", {"activation": activation}),
    ]


def dropout(regularization: Regularization) -> Expression:
    """What stands after every hidden layer; a rate of 0 changes nothing."""
    return Expression("layers.Dropout", {"rate": regularization.dropout})


def hidden_layers(
    hidden_units: Sequence[int], activation: str, batch_norm: bool, regularization: Regularization
) -> list[Expression]:
    """Dense layers of the given units, each followed by dropout."""
    layers: list[Expression] = []
    for units in hidden_units:
        layers += regularized("layers.Dense", {"units": units}, activation, batch_norm, regularization)
        layers.append(dropout(regularization))
    return layers
