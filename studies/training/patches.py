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
    paddings = []
    for length, size, stride in zip(inputs.shape[1:-1], sizes, strides, strict=True):
        rest = (-(-length // stride) - 1) * stride + size - length if padding == "same" else 0
        if padding == "causal":
            paddings.append((size - 1, 0))
        else:
            paddings.append((max(rest, 0) // 2, max(rest, 0) - max(rest, 0) // 2))
    return paddings


def window_slices(
    inputs: Any, sizes: Sizes, strides: Sizes, dilation: Sizes, padding: str, fill: float = 0.0
) -> list[Any]:
    """Slice the inputs at each offset of a window, at every position of the window.

    Inputs have one or two axes before the channels; `fill` pads them.
    """
    reach = [(size - 1) * apart + 1 for size, apart in zip(sizes, dilation, strict=True)]
    paddings = _paddings(inputs, reach, strides, padding)
    if any(map(any, paddings)):
        inputs = tf.pad(inputs, [(0, 0), *paddings, (0, 0)], constant_values=fill)
    counts = [(n - far) // stride + 1 for n, far, stride in zip(inputs.shape[1:-1], reach, strides, strict=True)]
    slices = []
    for offset in product(*map(range, sizes)):
        steps = [
            slice(at * apart, at * apart + (count - 1) * stride + 1, stride if stride > 1 else None)
            for at, apart, count, stride in zip(offset, dilation, counts, strides, strict=True)
        ]
        slices.append(inputs[(slice(None), *steps, slice(None))])
    return slices


class PatchConv(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """Mixin for Conv1D and Conv2D: one matrix product over patches."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The same convolution."""
        slices = window_slices(inputs, self.kernel_size, self.strides, self.dilation_rate, self.padding)
        groups = []
        for part, kernel_part in zip(_parts(slices, self.groups), tf.split(kernel, self.groups, axis=-1), strict=True):
            flat = tf.reshape(kernel_part, [-1, self.filters // self.groups])
            groups.append(tf.tensordot(tf.concat(part, axis=-1), flat, axes=1))
        return tf.concat(groups, axis=-1)


def _parts(slices: list[Any], groups: int) -> list[tuple[Any, ...]]:
    """The slices of each group's channels."""
    return list(zip(*(tf.split(values, groups, axis=-1) for values in slices), strict=True))


class PatchConv1D(PatchConv, keras.layers.Conv1D):  # type: ignore[misc]
    """keras.layers.Conv1D over patches."""

    def call(self, inputs: Any) -> Any:
        """The same convolution, bias and activation."""
        return add_bias_and_activate(self, self.convolution_op(inputs, self.kernel))


class PatchConv2D(PatchConv, keras.layers.Conv2D):  # type: ignore[misc]
    """keras.layers.Conv2D over patches."""


def _depthwise(layer: Any, inputs: Any, kernel: Any, padding: str) -> Any:
    """A convolution of each channel by itself: a product for each offset in the window, summed."""
    slices = window_slices(inputs, layer.kernel_size, layer.strides, layer.dilation_rate, padding)
    channels, multiplier = inputs.shape[-1], layer.depth_multiplier
    flat = tf.reshape(kernel, [-1, channels, multiplier])
    products = [values[..., None] * flat[index] for index, values in enumerate(slices)]
    total = reduce(tf.add, products)
    return tf.reshape(total, [-1, *total.shape[1:-2], channels * multiplier])


def add_bias_and_activate(layer: Any, outputs: Any) -> Any:
    """Finish a convolution as its layer does."""
    outputs = outputs + layer.bias if layer.use_bias else outputs
    return outputs if layer.activation is None else layer.activation(outputs)


class PatchDepthwise(keras.layers.Layer):  # type: ignore[misc]
    """Mixin for DepthwiseConv1D and DepthwiseConv2D."""

    def call(self, inputs: Any) -> Any:
        """The same convolution, bias and activation."""
        return add_bias_and_activate(self, _depthwise(self, inputs, self.kernel, self.padding))


class PatchSeparable(keras.layers.Layer):  # type: ignore[misc]
    """Mixin for SeparableConv1D and SeparableConv2D."""

    def call(self, inputs: Any) -> Any:
        """The same two convolutions, bias and activation."""
        depthwise = _depthwise(self, inputs, self.depthwise_kernel, self.padding)
        pointwise = tf.reshape(self.pointwise_kernel, [-1, self.filters])
        return add_bias_and_activate(self, tf.tensordot(depthwise, pointwise, axes=1))


class PatchDepthwiseConv1D(PatchDepthwise, keras.layers.DepthwiseConv1D):  # type: ignore[misc]
    """keras.layers.DepthwiseConv1D over patches."""


class PatchDepthwiseConv2D(PatchDepthwise, keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """keras.layers.DepthwiseConv2D over patches."""


class PatchSeparableConv1D(PatchSeparable, keras.layers.SeparableConv1D):  # type: ignore[misc]
    """keras.layers.SeparableConv1D over patches."""


class PatchSeparableConv2D(PatchSeparable, keras.layers.SeparableConv2D):  # type: ignore[misc]
    """keras.layers.SeparableConv2D over patches."""


def _blocks(layer: Any, inputs: Any) -> Any:
    """Inputs with the axes of each window split off, and these axes; an odd last row or column is left out."""
    shape, axes = [-1], []
    rest = inputs
    for axis, size in enumerate(layer.pool_size):
        count = inputs.shape[axis + 1] // size
        shape += [count, size]
        axes.append(2 * axis + 2)
        rest = rest[(*[slice(None)] * (axis + 1), slice(0, count * size))]
    return tf.reshape(rest, [*shape, inputs.shape[-1]]), axes


def _is_tiled(layer: Any) -> bool:
    """Return whether the windows of a pooling do not overlap and leave no gaps."""
    return layer.padding == "valid" and tuple(layer.strides) == tuple(layer.pool_size)


def _pool_slices(layer: Any, inputs: Any, fill: float) -> list[Any]:
    ones = (1,) * len(layer.pool_size)
    return window_slices(inputs, layer.pool_size, layer.strides, ones, layer.padding, fill)


class BlockMaxPooling(keras.layers.Layer):  # type: ignore[misc]
    """Mixin for MaxPooling1D and MaxPooling2D: a reduction."""

    def call(self, inputs: Any) -> Any:
        """The largest value of each window."""
        if _is_tiled(self):
            blocks, axes = _blocks(self, inputs)
            return tf.reduce_max(blocks, axis=axes)
        return reduce(tf.maximum, _pool_slices(self, inputs, float(np.finfo(np.float32).min)))


class BlockAveragePooling(keras.layers.Layer):  # type: ignore[misc]
    """Mixin for AveragePooling1D and AveragePooling2D: a reduction."""

    def call(self, inputs: Any) -> Any:
        """The mean of each window, in which padding does not count."""
        if _is_tiled(self):
            blocks, axes = _blocks(self, inputs)
            return tf.reduce_mean(blocks, axis=axes)
        inside = reduce(tf.add, _pool_slices(self, tf.ones([1, *inputs.shape[1:]]), 0.0))
        return reduce(tf.add, _pool_slices(self, inputs, 0.0)) / inside


class BlockMaxPooling1D(BlockMaxPooling, keras.layers.MaxPooling1D):  # type: ignore[misc]
    """keras.layers.MaxPooling1D as a reduction."""


class BlockMaxPooling2D(BlockMaxPooling, keras.layers.MaxPooling2D):  # type: ignore[misc]
    """keras.layers.MaxPooling2D as a reduction."""


class BlockAveragePooling1D(BlockAveragePooling, keras.layers.AveragePooling1D):  # type: ignore[misc]
    """keras.layers.AveragePooling1D as a reduction."""


class BlockAveragePooling2D(BlockAveragePooling, keras.layers.AveragePooling2D):  # type: ignore[misc]
    """keras.layers.AveragePooling2D as a reduction."""


#: The layers that lanes use in place of Keras' own.
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
