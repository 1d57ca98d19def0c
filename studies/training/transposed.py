"""Keras' transposed convolutions as products over patches: zeros are put between the rows, and the kernel is turned."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from studies.training.patches import add_bias_and_activate, window_slices


class PatchTranspose(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """Mixin for Conv1DTranspose and Conv2DTranspose."""

    def call(self, inputs: Any) -> Any:
        """The same transposed convolution, bias and activation."""
        return add_bias_and_activate(self, self._transposed(inputs))

    def _transposed(self, inputs: Any) -> Any:
        reach = [(size - 1) * apart + 1 for size, apart in zip(self.kernel_size, self.dilation_rate, strict=True)]
        spread = inputs
        for axis, stride in enumerate(self.strides, start=1):
            spread = _spread(spread, axis, stride)
        padded = tf.pad(spread, [(0, 0), *((far - 1, far - 1) for far in reach), (0, 0)])
        ones = (1,) * len(reach)
        patches = tf.concat(window_slices(padded, self.kernel_size, ones, self.dilation_rate, "valid"), axis=-1)
        axes = list(range(len(reach)))
        turned = tf.transpose(tf.reverse(tf.convert_to_tensor(self.kernel), axes), [*axes, len(axes) + 1, len(axes)])
        outputs = tf.tensordot(patches, tf.reshape(turned, [-1, self.filters]), axes=1)
        for axis, (count, stride, far) in enumerate(zip(inputs.shape[1:-1], self.strides, reach, strict=True), start=1):
            cut = max(far - stride, 0)
            begin, length = (cut // 2, count * stride) if self.padding == "same" else (0, count * stride + cut)
            outputs = _cut_or_pad(outputs, axis, begin, length)
        return outputs


def _spread(array: Any, axis: int, stride: int) -> Any:
    """Put stride − 1 zeros between the rows of an axis."""
    shape, count = list(array.shape), array.shape[axis]
    paddings = [(0, 0)] * (len(shape) + 1)
    paddings[axis + 1] = (0, stride - 1)
    padded = tf.pad(tf.expand_dims(array, axis + 1), paddings)
    spread = tf.reshape(padded, [-1, *shape[1:axis], count * stride, *shape[axis + 1 :]])
    return _cut_or_pad(spread, axis, 0, (count - 1) * stride + 1)


def _cut_or_pad(array: Any, axis: int, begin: int, length: int) -> Any:
    """So many rows of an axis from `begin` on; zeros where there are no more."""
    rows = array[(*[slice(None)] * axis, slice(begin, begin + length))]
    paddings = [(0, 0)] * len(array.shape)
    paddings[axis] = (0, length - rows.shape[axis])
    return tf.pad(rows, paddings) if paddings[axis][1] else rows


class PatchConv1DTranspose(PatchTranspose, keras.layers.Conv1DTranspose):  # type: ignore[misc]
    """keras.layers.Conv1DTranspose over patches."""


class PatchConv2DTranspose(PatchTranspose, keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """keras.layers.Conv2DTranspose over patches."""


TRANSPOSED_LAYERS = {
    "layers.Conv1DTranspose": PatchConv1DTranspose,
    "layers.Conv2DTranspose": PatchConv2DTranspose,
}
