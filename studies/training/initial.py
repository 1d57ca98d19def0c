"""Initial values of a model's weights, drawn by the layers' own initializers from one seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]

#: Names of initializers that do not follow from their weight's name.
_ATTRIBUTES = {
    "depthwise_kernel": "depthwise_initializer",
    "pointwise_kernel": "pointwise_initializer",
    "recurrent_kernel": "recurrent_initializer",
}
#: Weights whose initializer Keras fixes.
_FIXED = {
    ("Attention", "scale"): "ones",
    ("Attention", "concat_score_weight"): "ones",
    ("AdditiveAttention", "scale"): "glorot_uniform",
    ("RMSNormalization", "scale"): "ones",
}


def draw_values(model: keras.Model, seed: int) -> Mapping[str, Values]:
    """Draw a value of every weight; return them by the weights' paths."""
    seeds = np.random.default_rng(seed)
    return {
        variable.path: _draw(layer, variable, int(seeds.integers(2**31)))
        for layer in _layers(model)
        for variable in (*layer._trainable_variables, *layer._non_trainable_variables)
    }


def _layers(model: keras.Model) -> Iterator[Any]:
    """Every layer, and those within layers, such as an attention's."""
    for outer in model.layers:
        yield from outer._flatten_layers()  # Keras has no public one


def _draw(layer: Any, variable: Any, seed: int) -> Values:
    if variable.name == "bias" and getattr(layer, "unit_forget_bias", False):
        # After keras.src.layers.rnn.lstm: the forget gate is open at first.
        input_gate, others = (_values(layer.bias_initializer, (n * layer.units,), seed) for n in (1, 2))
        return np.concatenate([input_gate, np.ones(layer.units, np.float32), others])
    return _values(_initializer(layer, variable.name), variable.shape, seed)


def _initializer(layer: Any, name: str) -> Any:
    fixed = next((_FIXED[key] for kind in type(layer).__mro__ if (key := (kind.__name__, name)) in _FIXED), None)
    if fixed is not None:
        return keras.initializers.get(fixed)
    attribute = _ATTRIBUTES.get(name, f"{name}_initializer")
    # A depthwise convolution's only kernel has the name of others'.
    return getattr(layer, attribute if hasattr(layer, attribute) else "depthwise_initializer")


def _values(initializer: Any, shape: tuple[int, ...], seed: int) -> Values:
    config = initializer.get_config()
    if "seed" in config:
        initializer = type(initializer).from_config(config | {"seed": seed})
    return np.asarray(initializer(shape))
