"""The layer that cuts an input of a user's model out of a row, inside the model that is trained; loads Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from studies.keras_config.division import Span


class Cut(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """Some of a row's values, in the shape of one of the model's inputs; see `studies.keras_config.division`."""

    def __init__(self, spans: Sequence[Span], shape: tuple[int, ...], *, name: str) -> None:
        super().__init__(name=name)
        self._spans, self._shape = tuple(spans), shape

    def call(self, rows: Any) -> Any:
        """Cut the input out of rows, float32 (rows, values)."""
        parts = [_number_levels(part) if span.code else part for span, part in self._parts(rows)]
        joined = keras.ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        return joined if len(self._shape) == 1 else keras.ops.reshape(joined, (-1, *self._shape))

    def _parts(self, rows: Any) -> list[tuple[Span, Any]]:
        return [(span, rows[:, span.first : span.end]) for span in self._spans]


def _number_levels(values: Any) -> Any:
    """The index of the 1 in each row, by a sum, for lanes have no argmax."""
    return keras.ops.sum(values * np.arange(values.shape[1], dtype=np.float32), axis=1, keepdims=True)
