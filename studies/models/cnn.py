"""Design convolutional hidden layers with dense ones behind them."""

from __future__ import annotations

from studies.models import mlp
from studies.models.expression import Expression
from studies.regularization import Regularization
from studies.spec.model import CnnSpec

_MIN_POOLED_SIDE = 4  # pixels; below it another 2×2 pooling would leave a single pixel


def hidden_layers(spec: CnnSpec, input_shape: tuple[int, ...], regularization: Regularization) -> list[Expression]:
    """Design convolutions of unchanged size, each pooled 2×2 while the image is large enough, then dense layers."""
    side = min(input_shape[:2])
    layers: list[Expression] = []
    for index, filters in enumerate(spec.filters):
        convolution = {"filters": filters, "kernel_size": spec.kernel_size, "padding": "same"}
        layers += mlp.regularized_layer(
            "layers.Conv2D", convolution, spec.activation, spec.batch_norm, regularization, index
        )
        if side >= _MIN_POOLED_SIDE:
            layers.append(Expression("layers.MaxPooling2D"))
            side //= 2
        layers.append(mlp.dropout(regularization, index))
    layers.append(Expression("layers.Flatten"))
    dense = mlp.hidden_layers(spec.hidden_units, spec.activation, spec.batch_norm, regularization, len(spec.filters))
    return layers + dense
