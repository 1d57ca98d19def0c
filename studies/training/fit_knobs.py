"""The hyperparameters of a trial as variables of a Keras model, where Keras' layers take Python floats.

A model is traced once; after that its variables are assigned what a plain model of another trial has as floats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_CELLS = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
_SPATIAL = (keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D)
#: Layers whose rate is no variable here.
FIXED_RATES = frozenset({"AlphaDropout", "GaussianDropout", "Attention", "AdditiveAttention"})


class VariablePenalty(keras.regularizers.Regularizer):  # type: ignore[misc]  # Keras carries no types
    """A regularizer of Keras with its strengths as variables."""

    def __init__(self, regularizer: keras.regularizers.Regularizer) -> None:
        self._strengths = {
            name: tf.Variable(0.0, trainable=False) for name in ("l1", "l2") if hasattr(regularizer, name)
        }

    @property
    def l1(self) -> Any:
        """λ1; 0 where the regularizer knows none."""
        return self._strengths.get("l1", 0.0)

    def assign(self, regularizer: keras.regularizers.Regularizer | None) -> None:
        """Take the strengths of one of Keras' regularizers; 0 of none."""
        for name, strength in self._strengths.items():
            strength.assign(float(getattr(regularizer, name, 0.0)))

    def __call__(self, x: Any) -> Any:
        """λ1·Σ|x| + λ2·Σx², as Keras sums them."""
        norms = {"l1": keras.ops.absolute, "l2": keras.ops.square}
        terms = [strength * keras.ops.sum(norms[name](x)) for name, strength in self._strengths.items()]
        return tf.add_n(terms)


class VariableRate:
    """Mixin for a layer that drops activations, with its rate as a variable."""

    rate_variable: Any
    seed_generator: Any

    def _drop(self, inputs: Any, noise_shape: Any = None) -> Any:
        # As keras.random.dropout does, which compares its rate in Python.
        seed = tf.cast(tf.math.floormod(self.seed_generator.next(), tf.int32.max - 1), tf.int32)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate_variable, seed, noise_shape=noise_shape)


class _Dropout(VariableRate):
    noise_shape: tuple[int | None, ...] | None = None

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        sizes = None if self.noise_shape is None else zip(self.noise_shape, tf.unstack(tf.shape(inputs)), strict=True)
        return self._drop(inputs, None if sizes is None else [size or whole for size, whole in sizes])


class _SpatialDropout(VariableRate):
    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        rows, *axes, channels = tf.unstack(tf.shape(inputs))
        return self._drop(inputs, [rows, *(1 for _ in axes), channels])


class _Cell(VariableRate):
    dropout_mask_count: int | None = None

    def _create_dropout_mask(self, step_input: Any, _nominal_rate: float) -> Any:
        ones = tf.ones_like(step_input)
        if self.dropout_mask_count is None:
            return self._drop(ones)
        return [self._drop(ones) for _ in range(self.dropout_mask_count)]


def add_knobs(model: keras.Model) -> None:
    """Put variables in the places of the strengths and dropout rates of a model that is not traced yet.

    Where the model has neither, as it is built, it keeps none.
    """
    for variable in model.trainable_variables:
        if variable.regularizer is not None:
            variable.regularizer = VariablePenalty(variable.regularizer)
    for layer in _layers(model):
        if layer.activity_regularizer is not None:
            layer.activity_regularizer = VariablePenalty(layer.activity_regularizer)
        if (mixin := _mixin(layer)) is not None and _rate(layer) > 0:
            # A layer within a layer, such as a cell or an attention's dropout, is made by Keras.
            object.__setattr__(layer, "__class__", type(type(layer).__name__, (mixin, type(layer)), {}))
            layer.rate_variable = tf.Variable(0.0, trainable=False)


def assign_knobs(model: keras.Model, plain: keras.Model) -> None:
    """Give a model with knobs the strengths and rates of a plain one."""
    for variable, other in zip(model.trainable_variables, plain.trainable_variables, strict=True):
        if variable.regularizer is not None:
            variable.regularizer.assign(other.regularizer)
    for layer, other in zip(_layers(model), _layers(plain), strict=True):
        if layer.activity_regularizer is not None:
            layer.activity_regularizer.assign(other.activity_regularizer)
        if isinstance(layer, VariableRate):
            layer.rate_variable.assign(_rate(other))


def _layers(model: keras.Model) -> Iterator[Any]:
    for outer in model.layers:
        yield from outer._flatten_layers()  # Keras has no public one


def _mixin(layer: Any) -> type[VariableRate] | None:
    if isinstance(layer, _CELLS):
        return _Cell
    if isinstance(layer, _SPATIAL):
        return _SpatialDropout
    return _Dropout if isinstance(layer, keras.layers.Dropout) else None


def _rate(layer: Any) -> float:
    # A cell's two rates are the trial's one, where they are not 0.
    return float(max(layer.dropout, layer.recurrent_dropout) if isinstance(layer, _CELLS) else layer.rate)
