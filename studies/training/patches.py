"""Keras' convolutions and poolings as products and reductions over patches.

`vectorized_map` takes no kernel that differs by lane, and a reduction's gradient compiles far better than a scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Sizes = Sequence[int]


def _paddings(inputs: Any, sizes: Sizes, strides: Sizes, padding: str) -> list[tuple[int, int]]:
    """Rows and columns to add before and after, as TensorFlow's `same`."""
    found = []
    for length, size, stride in zip(inputs.shape[1:-1], sizes, strides, strict=True):
        rest = (-(-length // stride) - 1) * stride + size - length if padding == "same" else 0
        if padding == "causal":
            found.append((size - 1, 0))
        else:
            found.append((max(rest, 0) // 2, max(rest, 0) - max(rest, 0) // 2))
    return found


def shifted(
    inputs: Any, sizes: Sizes, strides: Sizes, dilation: Sizes, padding: str, outside: float = 0.0
) -> list[Any]:
    """For each place of a window, what it holds at every position; rows of one or two axes before the channels."""
    reach = [(size - 1) * apart + 1 for size, apart in zip(sizes, dilation, strict=True)]
    around = _paddings(inputs, reach, strides, padding)
    if any(map(any, around)):
        inputs = tf.pad(inputs, [(0, 0), *around, (0, 0)], constant_values=outside)
    counts = [(n - far) // stride + 1 for n, far, stride in zip(inputs.shape[1:-1], reach, strides, strict=True)]
    found = []
    for place in product(*map(range, sizes)):
        steps = [
            slice(at * apart, at * apart + (count - 1) * stride + 1, stride if stride > 1 else None)
            for at, apart, count, stride in zip(place, dilation, counts, strides, strict=True)
        ]
        found.append(inputs[(slice(None), *steps, slice(None))])
    return found


class PatchConv(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """What stands before Conv1D or Conv2D among the parents of a class: one matrix product over patches."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The same convolution."""
        given = self.kernel_size, self.strides, self.dilation_rate, self.padding
        patches = tf.concat(shifted(inputs, *given), axis=-1)
        return tf.tensordot(patches, tf.reshape(kernel, [-1, self.filters]), axes=1)


class PatchConv1D(PatchConv, keras.layers.Conv1D):  # type: ignore[misc]
    """keras.layers.Conv1D over patches."""

    def call(self, inputs: Any) -> Any:
        """The same convolution, bias and activation."""
        return _finished(self, self.convolution_op(inputs, self.kernel))


class PatchConv2D(PatchConv, keras.layers.Conv2D):  # type: ignore[misc]
    """keras.layers.Conv2D over patches."""


def _depthwise(layer: Any, inputs: Any, kernel: Any, padding: str) -> Any:
    """A convolution of each channel by itself: a product for each place of the window, summed."""
    places = shifted(inputs, layer.kernel_size, layer.strides, layer.dilation_rate, padding)
    channels, times = inputs.shape[-1], layer.depth_multiplier
    flat = tf.reshape(kernel, [-1, channels, times])
    products = [place[..., None] * flat[index] for index, place in enumerate(places)]
    total = reduce(tf.add, products)
    return tf.reshape(total, [-1, *total.shape[1:-2], channels * times])


def _finished(layer: Any, outputs: Any) -> Any:
    outputs = outputs + layer.bias if layer.use_bias else outputs
    return outputs if layer.activation is None else layer.activation(outputs)


class PatchDepthwise(keras.layers.Layer):  # type: ignore[misc]
    """What stands before DepthwiseConv1D or 2D among the parents of a class."""

    def call(self, inputs: Any) -> Any:
        """The same convolution, bias and activation."""
        return _finished(self, _depthwise(self, inputs, self.kernel, self.padding))


class PatchSeparable(keras.layers.Layer):  # type: ignore[misc]
    """What stands before SeparableConv1D or 2D among the parents of a class."""

    def call(self, inputs: Any) -> Any:
        """The same two convolutions, bias and activation."""
        apart = _depthwise(self, inputs, self.depthwise_kernel, self.padding)
        pointwise = tf.reshape(self.pointwise_kernel, [-1, self.filters])
        return _finished(self, tf.tensordot(apart, pointwise, axes=1))


class PatchDepthwiseConv1D(PatchDepthwise, keras.layers.DepthwiseConv1D):  # type: ignore[misc]
    """keras.layers.DepthwiseConv1D over patches."""


class PatchDepthwiseConv2D(PatchDepthwise, keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """keras.layers.DepthwiseConv2D over patches."""


class PatchSeparableConv1D(PatchSeparable, keras.layers.SeparableConv1D):  # type: ignore[misc]
    """keras.layers.SeparableConv1D over patches."""


class PatchSeparableConv2D(PatchSeparable, keras.layers.SeparableConv2D):  # type: ignore[misc]
    """keras.layers.SeparableConv2D over patches."""


def _blocks(layer: Any, inputs: Any) -> Any:
    """Inputs with each window's axes apart, where windows do not overlap; an odd last row or column is left out."""
    shape, axes = [-1], []
    rest = inputs
    for axis, size in enumerate(layer.pool_size):
        count = inputs.shape[axis + 1] // size
        shape += [count, size]
        axes.append(2 * axis + 2)
        rest = rest[(*[slice(None)] * (axis + 1), slice(0, count * size))]
    return tf.reshape(rest, [*shape, inputs.shape[-1]]), axes


def _apart(layer: Any) -> bool:
    return layer.padding == "valid" and tuple(layer.strides) == tuple(layer.pool_size)


def _windows(layer: Any, inputs: Any, outside: float) -> list[Any]:
    ones = (1,) * len(layer.pool_size)
    return shifted(inputs, layer.pool_size, layer.strides, ones, layer.padding, outside)


class BlockMaxPooling(keras.layers.Layer):  # type: ignore[misc]
    """What stands before MaxPooling1D or 2D among the parents of a class: a reduction."""

    def call(self, inputs: Any) -> Any:
        """The largest of each window."""
        if _apart(self):
            blocks, axes = _blocks(self, inputs)
            return tf.reduce_max(blocks, axis=axes)
        return reduce(tf.maximum, _windows(self, inputs, float(np.finfo(np.float32).min)))


class BlockAveragePooling(keras.layers.Layer):  # type: ignore[misc]
    """What stands before AveragePooling1D or 2D among the parents of a class: a reduction."""

    def call(self, inputs: Any) -> Any:
        """The mean of each window, of which only what lies inside counts."""
        if _apart(self):
            blocks, axes = _blocks(self, inputs)
            return tf.reduce_mean(blocks, axis=axes)
        inside = reduce(tf.add, _windows(self, tf.ones([1, *inputs.shape[1:]]), 0.0))
        return reduce(tf.add, _windows(self, inputs, 0.0)) / inside


class BlockMaxPooling1D(BlockMaxPooling, keras.layers.MaxPooling1D):  # type: ignore[misc]
    """keras.layers.MaxPooling1D as a reduction."""


class BlockMaxPooling2D(BlockMaxPooling, keras.layers.MaxPooling2D):  # type: ignore[misc]
    """keras.layers.MaxPooling2D as a reduction."""


class BlockAveragePooling1D(BlockAveragePooling, keras.layers.AveragePooling1D):  # type: ignore[misc]
    """keras.layers.AveragePooling1D as a reduction."""


class BlockAveragePooling2D(BlockAveragePooling, keras.layers.AveragePooling2D):  # type: ignore[misc]
    """keras.layers.AveragePooling2D as a reduction."""


#: What lanes hold in the place of Keras' own layers.
LANE_LAYERS = {
    "layers.Conv1D": PatchConv1D,
    "layers.Conv2D": PatchConv2D,
    "layers.DepthwiseConv1D": PatchDepthwiseConv1D,
    "layers.DepthwiseConv2D": PatchDepthwiseConv2D,
    "layers.SeparableConv1D": PatchSeparableConv1D,
    "layers.SeparableConv2D": PatchSeparableConv2D,
    "layers.MaxPooling1D": BlockMaxPooling1D,
    "layers.MaxPooling2D": BlockMaxPooling2D,
    "layers.AveragePooling1D": BlockAveragePooling1D,
    "layers.AveragePooling2D": BlockAveragePooling2D,
}
