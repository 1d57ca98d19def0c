"""The layer that stands for a StringLookup in the model that is trained, whose rows hold indices; loads Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


class TextIndices(keras.layers.Layer):  # type: ignore[misc]  # Keras carries no types
    """Gives what a StringLookup gives of the texts that indices, (rows, 1), stand for; see `keras_config.texts`."""

    def __init__(
        self,
        *,
        vocabulary: Sequence[str],
        output_mode: str = "int",
        name: str | None = None,
        trainable: bool = True,
        **_: Any,
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self._size = None if output_mode == "int" else 1 + len(vocabulary)

    def call(self, indices: Any) -> Any:
        """The indices as they are, or 1 in the place of each; the index of a mask, behind the last, has no place."""
        if self._size is None:
            return indices
        return keras.ops.cast(keras.ops.equal(indices, np.arange(self._size, dtype=np.float32)), "float32")
