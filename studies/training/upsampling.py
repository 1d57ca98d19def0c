"""Keras' upsampling in lanes: TensorFlow's gradient of a bilinear interpolation cannot be vectorised, products can."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from studies.array import Array


class LaneUpSampling2D(keras.layers.UpSampling2D):  # type: ignore[misc]  # Keras carries no types
    """keras.layers.UpSampling2D, which interpolates by a matrix along each axis."""

    def call(self, inputs: Any) -> Any:
        """The same rows and columns."""
        if self.interpolation == "nearest":
            return super().call(inputs)
        rows, columns = (_weights(count, size) for count, size in zip(inputs.shape[1:3], self.size, strict=True))
        return tf.einsum("Hh,Ww,bhwc->bHWc", rows, columns, inputs)


def _weights(count: int, size: int) -> Array:
    """The weight of each of so many rows in each row of the result, whose centres lie between theirs."""
    at = np.clip((np.arange(count * size) + 0.5) / size - 0.5, 0, count - 1)
    weights: Array = np.maximum(1 - np.abs(at[:, None] - np.arange(count)), 0)
    return weights.astype(np.float32)


UPSAMPLING_LAYERS = {"layers.UpSampling2D": LaneUpSampling2D}
