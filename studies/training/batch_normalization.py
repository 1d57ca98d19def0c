"""Batch normalization in lanes."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from studies.training.knobs import count_rows


class LaneBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras carries no types
    """keras.layers.BatchNormalization, whose moments leave out the rows that fill a batch up."""

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        counted = tf.reshape(count_rows(inputs.shape[0]), [-1] + [1] * (inputs.shape.rank - 1))
        if mask is not None:
            counted *= tf.cast(mask, tf.float32)[..., None]
        axes = self._reduction_axes
        total = tf.maximum(tf.reduce_sum(tf.broadcast_to(counted, inputs.shape), axes, keepdims=True), 1.0)
        mean = tf.reduce_sum(counted * inputs, axes, keepdims=True) / total
        variance = tf.reduce_sum(counted * tf.square(inputs - mean), axes, keepdims=True) / total
        return tf.squeeze(mean, axes), tf.squeeze(variance, axes)
