"""Keras' layers of noise, with its rate as a knob and its numbers from a counter-based hash.

Each number depends on (trial seed, step, draw, position) alone, so a lane's noise is its own. TensorFlow's random
operations would also take two thirds of a step's time.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from studies.training.knobs import current_knobs, number_draw

_WORD = tf.uint32
_MAX_CONSTANT = 1 << 20  # words
_MANTISSA = 24  # bits of a float32 that a uniform number in [0, 1) can use
#: Where the activation SELU has its lower end, which keras.layers.AlphaDropout drops to.
_SELU_LOW = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


class LaneNoise(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """Parent of the layers of noise; in inference mode they change nothing."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Add noise in training mode."""
        return self._disturb(inputs) if training else inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the inputs, which TimeDistributed asks for."""
        return input_shape

    def _disturb(self, inputs: Any) -> Any:
        raise NotImplementedError

    def _uniform(self, shape: tuple[int, ...]) -> Any:
        """Numbers in [0, 1)."""
        key = mix(current_knobs().noise + tf.constant(0x9E3779B9 * (number_draw() + 1) & 0xFFFFFFFF, _WORD))
        words = mix(tf.bitwise.bitwise_xor(_hash_positions(shape), key))
        return tf.cast(tf.bitwise.right_shift(words, tf.constant(32 - _MANTISSA, _WORD)), tf.float32) * 2**-_MANTISSA

    def _normal(self, shape: tuple[int, ...]) -> Any:
        """Normal numbers with mean 0 and deviation 1 (Box and Muller, 1958)."""
        radius, angle = tf.unstack(self._uniform((2, *shape)))
        return tf.sqrt(-2 * tf.math.log(1 - radius)) * tf.cos(2 * math.pi * angle)


class KnobDropout(LaneNoise):
    """keras.layers.Dropout."""

    def __init__(self, layer: int, name: str | None = None) -> None:
        super().__init__(name)
        self._layer = layer  # the number of the hidden layer whose rate it has

    def _rate(self) -> Any:
        return current_knobs().dropout[self._layer]

    def _disturb(self, inputs: Any) -> Any:
        """Drop activations at the knob's rate and scale the rest by 1 / (1 − rate)."""
        rate = self._rate()
        kept = self._uniform(self._noise_shape(inputs)) >= rate
        return tf.where(kept, inputs / (1 - rate), tf.zeros_like(inputs))

    def _noise_shape(self, inputs: Any) -> tuple[int, ...]:
        return tuple(inputs.shape)


class KnobSpatialDropout(KnobDropout):
    """keras.layers.SpatialDropout1D and 2D: drops whole channels."""

    def _noise_shape(self, inputs: Any) -> tuple[int, ...]:
        rows, *axes, channels = inputs.shape
        return (rows, *(1 for _ in axes), channels)


class KnobAlphaDropout(KnobDropout):
    """keras.layers.AlphaDropout: drops to SELU's lower end, and keeps mean and variance."""

    def _disturb(self, inputs: Any) -> Any:
        rate = self._rate()
        kept = self._uniform(self._noise_shape(inputs)) >= rate
        scale = ((1 - rate) * (1 + rate * _SELU_LOW**2)) ** -0.5
        return scale * (tf.where(kept, inputs, _SELU_LOW * tf.ones_like(inputs)) - _SELU_LOW * rate)


class KnobGaussianDropout(KnobDropout):
    """keras.layers.GaussianDropout: multiplies by normal numbers around 1."""

    def _disturb(self, inputs: Any) -> Any:
        rate = self._rate()
        return inputs * (1 + tf.sqrt(rate / (1 - rate)) * self._normal(tuple(inputs.shape)))


class LaneGaussianNoise(LaneNoise):
    """keras.layers.GaussianNoise, whose deviation is the user's and no knob."""

    def __init__(self, deviation: float, name: str | None = None) -> None:
        super().__init__(name)
        self._deviation = deviation

    def _disturb(self, inputs: Any) -> Any:
        return inputs + self._deviation * self._normal(tuple(inputs.shape))


def _hash_positions(shape: tuple[int, ...]) -> Any:
    """Hash an array's positions: a constant of the program needs no run time, but a large one is slow to compile."""
    size = math.prod(shape)
    if size > _MAX_CONSTANT:
        return tf.reshape(mix(tf.cast(tf.range(size), _WORD)), shape)
    return tf.constant(_mix_constant(np.arange(size, dtype=np.uint32)).reshape(shape))


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
