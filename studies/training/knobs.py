"""The hyperparameters of a lane as values inside a compiled program, where Keras' layers take Python floats.

A lane's program is traced once; while it is traced, the layers read the tensors that `using` sets. So one program
serves every dropout rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Knobs:
    """What the layers of one lane read in a step, beside their inputs."""

    dropout: Any  # rate of each hidden layer
    activity: Any  # λ1 and λ2 of their outputs
    noise: Any  # uint32 key of this step's noise
    counted: Any  # 1 for the batch's rows that count, 0 for those that fill it up
    count: Any  # of the rows that count


_knobs: ContextVar[Knobs] = ContextVar("knobs")
_draws: ContextVar[Iterator[int]] = ContextVar("draws")


@contextmanager
def using(knobs: Knobs) -> Iterator[None]:
    """Let the layers read these knobs inside the context, in which their draws of noise are counted from 0."""
    knobs_before, draws_before = _knobs.set(knobs), _draws.set(count())
    try:
        yield
    finally:
        _knobs.reset(knobs_before)
        _draws.reset(draws_before)


def current_knobs() -> Knobs:
    """The knobs that a layer is to read."""
    return _knobs.get()


def number_draw() -> int:
    """Count a draw of noise: a layer that is called twice in a step draws under two numbers."""
    return next(_draws.get())


def count_rows(rows: int) -> Any:
    """1 for each of so many rows that counts, else 0; each row of the batch may stand for several, as steps do."""
    counted = _knobs.get().counted
    return tf.repeat(counted, rows // counted.shape[0])


@keras.saving.register_keras_serializable("regsweep")  # Bidirectional copies the layer that it wraps by its config
class KnobRegularizer(keras.regularizers.Regularizer):  # type: ignore[misc]  # Keras carries no types
    """keras.regularizers.L1L2 of a layer's output, with its strengths as knobs."""

    def __init__(self, **_strengths: float) -> None: ...

    def get_config(self) -> dict[str, Any]:
        """Nothing, for the strengths are knobs."""
        return {}

    def __call__(self, output: Any) -> Any:
        """λ1·Σ|a| + λ2·Σa², which the layer divides by the batch's rows; 0 in evaluation, which has no knobs."""
        knobs = _knobs.get(None)
        if knobs is None:
            return tf.zeros([])
        l1, l2 = tf.unstack(knobs.activity)
        penalties = l1 * tf.abs(output) + l2 * tf.square(output)
        by_row = tf.reduce_sum(penalties, axis=range(1, output.shape.rank))
        # The layer divides by all rows.
        return tf.reduce_sum(count_rows(by_row.shape[0]) * by_row) * (knobs.counted.shape[0] / knobs.count)
