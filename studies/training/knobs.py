"""Keras layers whose hyperparameters are values inside a compiled program, where Keras' own take Python floats.

A lane's program is traced once; while it is traced, the layers read the tensors that `using` sets. So one program
serves every dropout rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from studies.models.architecture import Architecture
from studies.training.patches import LANE_LAYERS

_WORD = tf.uint32
_MANTISSA = 24  # bits of a float32 that a uniform number in [0, 1) can use


@dataclass(frozen=True)
class Knobs:
    """The hyperparameters of one lane, as scalar tensors."""

    dropout: Any  # rate of each hidden layer
    activity: Any  # λ1 and λ2 of their outputs
    noise: Any  # uint32 key of this step's dropout noise


_knobs: ContextVar[Knobs] = ContextVar("knobs")


@contextmanager
def using(knobs: Knobs) -> Iterator[None]:
    """Let the layers read these knobs inside the context."""
    token = _knobs.set(knobs)
    try:
        yield
    finally:
        _knobs.reset(token)


def lane_model(architecture: Architecture) -> keras.Model:
    """Build the model of an architecture with knobs in place of its dropout rates.

    Its weight regularizers only mark the weights: the program adds the penalty to the stacked weights itself.
    """
    positions = count()
    hidden_layer = architecture.dropped_after

    def constructor(kind: type[KnobDropout]) -> Callable[..., KnobDropout]:
        def make(rate: float, name: str | None = None, **_: Any) -> KnobDropout:  # noqa: ARG001  # the knob replaces it
            position = next(positions)
            return kind(position, position if hidden_layer is None or name is None else hidden_layer[name], name=name)

        return make

    constructors: dict[str, Callable[..., Any]] = {
        **dict.fromkeys(("regularizers.L1", "regularizers.L2", "regularizers.L1L2"), KnobRegularizer),
        "layers.Dropout": constructor(KnobDropout),
        "layers.SpatialDropout1D": constructor(KnobSpatialDropout),
        "layers.SpatialDropout2D": constructor(KnobSpatialDropout),
        **LANE_LAYERS,
    }
    return architecture.build(constructors)


class KnobRegularizer(keras.regularizers.Regularizer):  # type: ignore[misc]  # Keras carries no types
    """keras.regularizers.L1L2 of a layer's output, with its strengths as knobs."""

    def __init__(self, **_strengths: float) -> None: ...

    def __call__(self, output: Any) -> Any:
        """λ1·Σ|a| + λ2·Σa², which the layer divides by the batch's rows; 0 in evaluation, which has no knobs."""
        knobs = _knobs.get(None)
        if knobs is None:
            return tf.zeros([])
        l1, l2 = tf.unstack(knobs.activity)
        return l1 * tf.reduce_sum(tf.abs(output)) + l2 * tf.reduce_sum(tf.square(output))


class KnobDropout(keras.layers.Layer):  # type: ignore[misc]
    """keras.layers.Dropout with its rate as a knob and its noise from a counter-based hash.

    Each activation's bit depends on (trial seed, layer, step, position) alone, so a lane's noise is its own.
    TensorFlow's random operations would also take two thirds of a step's time.
    """

    def __init__(self, position: int, layer: int | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self._position = position  # among the dropout layers, each of which has its own noise
        self._layer = position if layer is None else layer  # the hidden layer whose rate it has

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop activations at the knob's rate and scale the rest by 1 / (1 − rate)."""
        if not training:
            return inputs
        knobs = _knobs.get()
        shape = self._noise_shape(inputs)
        size = int(np.prod(shape))
        # Hashing the positions needs no run time: it is folded into the program as a constant.
        positions = _mix_constant(np.arange(size, dtype=np.uint32)).reshape(shape)
        key = mix(knobs.noise + tf.constant(0x9E3779B9 * (self._position + 1) & 0xFFFFFFFF, _WORD))
        words = mix(tf.bitwise.bitwise_xor(tf.constant(positions), key))
        uniform = (
            tf.cast(tf.bitwise.right_shift(words, tf.constant(32 - _MANTISSA, _WORD)), inputs.dtype) * 2**-_MANTISSA
        )
        rate = knobs.dropout[self._layer]
        return tf.where(uniform >= rate, inputs / (1 - rate), tf.zeros_like(inputs))

    def _noise_shape(self, inputs: Any) -> tuple[int, ...]:
        return tuple(inputs.shape)


class KnobSpatialDropout(KnobDropout):
    """keras.layers.SpatialDropout1D and 2D in the same way: drops whole channels."""

    def _noise_shape(self, inputs: Any) -> tuple[int, ...]:
        rows, *axes, channels = inputs.shape
        return (rows, *(1 for _ in axes), channels)


def mix(words: Any) -> Any:
    """Hash uint32 words: the finalizer `lowbias32` (C. Wellons, "Prospecting for hash functions", 2018)."""
    words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(16, _WORD)))
    words *= tf.constant(0x7FEB352D, _WORD)
    words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(15, _WORD)))
    words *= tf.constant(0x846CA68B, _WORD)
    return tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(16, _WORD)))


def _mix_constant(words: Any) -> Any:
    """The same hash in numpy."""
    words = words ^ (words >> 16)
    words = words * np.uint32(0x7FEB352D)
    words = words ^ (words >> 15)
    words = words * np.uint32(0x846CA68B)
    return words ^ (words >> 16)
