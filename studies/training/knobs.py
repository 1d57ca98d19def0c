"""Keras layers whose hyperparameters are values inside a compiled program, where Keras' own take Python floats.

A lane's program is traced once; while it is traced, the layers read the tensors that `turned` puts in their reach. So
one program serves every dropout rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from studies.models.architecture import Architecture

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
def turned(knobs: Knobs) -> Iterator[None]:
    """Let the layers read these knobs."""
    token = _knobs.set(knobs)
    try:
        yield
    finally:
        _knobs.reset(token)


def lane_model(architecture: Architecture) -> keras.Sequential:
    """The model of an architecture with knobs in the places of its dropout rates.

    Its regularizers of weights only mark what they stand on: the program acts on the stacked weights by itself.
    """
    position = count()
    knobbed = dict.fromkeys(("regularizers.L1", "regularizers.L2", "regularizers.L1L2"), KnobRegularizer) | {
        "layers.Dropout": lambda rate: KnobDropout(next(position)),  # noqa: ARG005  # the knob replaces the rate
        "layers.Conv2D": PatchConv2D,
        "layers.MaxPooling2D": BlockMaxPooling2D,
    }
    return keras.Sequential([layer.evaluate(knobbed) for layer in architecture.layers])


class KnobRegularizer(keras.regularizers.Regularizer):  # type: ignore[misc]  # Keras carries no types
    """keras.regularizers.L1L2 of a layer's output, its strengths as knobs."""

    def __init__(self, **_strengths: float) -> None: ...

    def __call__(self, output: Any) -> Any:
        """λ1·Σ|a| + λ2·Σa², which the layer divides by the batch's rows; nothing in evaluation, which has no knobs."""
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

    def __init__(self, position: int) -> None:
        super().__init__()
        self._position = position

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop activations at the knob's rate and scale the rest by 1 / (1 − rate)."""
        if not training:
            return inputs
        knobs = _knobs.get()
        size = int(np.prod(inputs.shape))
        # Hashing the positions needs no run time: it is folded into the program as a constant.
        positions = _mixed_words(np.arange(size, dtype=np.uint32)).reshape(inputs.shape)
        key = mix(knobs.noise + tf.constant(0x9E3779B9 * (self._position + 1) & 0xFFFFFFFF, _WORD))
        words = mix(tf.bitwise.bitwise_xor(tf.constant(positions), key))
        uniform = (
            tf.cast(tf.bitwise.right_shift(words, tf.constant(32 - _MANTISSA, _WORD)), inputs.dtype) * 2**-_MANTISSA
        )
        rate = knobs.dropout[self._position]
        return tf.where(uniform >= rate, inputs / (1 - rate), tf.zeros_like(inputs))


def mix(words: Any) -> Any:
    """Hash uint32 words: the finalizer `lowbias32` (C. Wellons, "Prospecting for hash functions", 2018)."""
    words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(16, _WORD)))
    words *= tf.constant(0x7FEB352D, _WORD)
    words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(15, _WORD)))
    words *= tf.constant(0x846CA68B, _WORD)
    return tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(16, _WORD)))


def _mixed_words(words: Any) -> Any:
    words = words ^ (words >> 16)
    words = words * np.uint32(0x7FEB352D)
    words = words ^ (words >> 15)
    words = words * np.uint32(0x846CA68B)
    return words ^ (words >> 16)


class PatchConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """keras.layers.Conv2D as one matrix product over patches: `vectorized_map` takes no kernel that differs by lane."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The same convolution, of stride 1 and padding `same`."""
        height, width = self.kernel_size
        rows, columns = inputs.shape[1:3]
        top, left = (height - 1) // 2, (width - 1) // 2
        padded = tf.pad(inputs, [[0, 0], [top, height - 1 - top], [left, width - 1 - left], [0, 0]])
        shifted = [padded[:, i : i + rows, j : j + columns, :] for i in range(height) for j in range(width)]
        patches = tf.concat(shifted, axis=-1)
        return tf.tensordot(patches, tf.reshape(kernel, [-1, self.filters]), axes=1)


class BlockMaxPooling2D(keras.layers.MaxPooling2D):  # type: ignore[misc]
    """keras.layers.MaxPooling2D of 2×2 blocks as a reduction, whose gradient compiles far better than a scatter's."""

    def call(self, inputs: Any) -> Any:
        """The largest of each whole block; an odd last row or column is left out, as Keras does."""
        rows, columns, channels = inputs.shape[1:]
        whole = inputs[:, : rows // 2 * 2, : columns // 2 * 2, :]
        blocks = tf.reshape(whole, [-1, rows // 2, 2, columns // 2, 2, channels])
        return tf.reduce_max(blocks, axis=[2, 4])
