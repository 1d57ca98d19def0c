"""Keras' Embedding in lanes, whose gradient says what each occurrence gave.

To Keras the gradient of what is looked up is a list of slices, one an occurrence, and `square` squares each slice
before they are summed (keras.src.backend.tensorflow.sparse). So Adam and RMSprop need Σg² beside Σg: here it is the
gradient of an array of zeros that the lookup takes and does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

#: By the path of each table: the zeros whose gradient is Σg².
Squares = Mapping[str, Any]
_squares: ContextVar[Squares] = ContextVar("squares")


@contextmanager
def squaring(squares: Squares) -> Iterator[None]:
    """Let the embeddings of a training step give Σg² as the gradients of these zeros."""
    token = _squares.set(squares)
    try:
        yield
    finally:
        _squares.reset(token)


def tables(model: keras.Model) -> list[Any]:
    """The variables that a model looks up, in the order of its own."""
    layers = [layer for outer in model.layers for layer in outer._flatten_layers()]  # Keras has no public one
    paths = {layer._embeddings.path for layer in layers if isinstance(layer, LaneEmbedding)}
    return [variable for variable in model.trainable_variables if variable.path in paths]


@keras.saving.register_keras_serializable("regsweep")
class LaneEmbedding(keras.layers.Embedding):  # type: ignore[misc]  # Keras carries no types
    """keras.layers.Embedding in lanes. Its indices are within the table, for they are checked beforehand."""

    def call(self, inputs: Any) -> Any:
        """Return the table's rows at these indices."""
        table, indices = tf.convert_to_tensor(self.embeddings), tf.cast(inputs, tf.int32)
        squares = _squares.get({})  # none in evaluation
        path = self._embeddings.path
        return _look_up(table, squares[path], indices) if path in squares else tf.gather(table, indices)


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow carries no types
def _look_up(table: Any, squares: Any, indices: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any, None]]]:  # noqa: ARG001
    size, width = table.shape

    def gradient(of_rows: Any) -> tuple[Any, Any, None]:
        slices = tf.reshape(of_rows, [-1, width])
        # One sum for both: what it costs is finding the rows.
        both = tf.concat([slices, tf.square(slices)], axis=1)
        summed = tf.math.unsorted_segment_sum(both, tf.reshape(indices, [-1]), size)
        return summed[:, :width], summed[:, width:], None

    return tf.gather(table, indices), gradient


class LaneDiscretization(keras.layers.Discretization):  # type: ignore[misc]
    """keras.layers.Discretization in lanes, by comparing with every boundary."""

    def call(self, inputs: Any) -> Any:
        """Return the number of boundaries that each value has reached."""
        reached = inputs[..., None] >= tf.constant(self.bin_boundaries, tf.float32)
        return tf.cast(tf.reduce_sum(tf.cast(reached, tf.int32), axis=-1), self.output_dtype)


LOOKUP_LAYERS = {"layers.Embedding": LaneEmbedding, "layers.Discretization": LaneDiscretization}
