"""Keras' attention in lanes, with dropout on its scores."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from studies.training.noise import KnobDropout

_ANY_RATE = 0.5  # above 0, so that Keras computes the scores that are dropped


class KnobMultiHeadAttention(keras.layers.MultiHeadAttention):  # type: ignore[misc]  # Keras carries no types
    """keras.layers.MultiHeadAttention whose dropout has the rate of a knob."""

    def __init__(self, layer: int, **arguments: Any) -> None:
        super().__init__(dropout=_ANY_RATE, **arguments)
        self._layer = layer

    def _build_attention(self, rank: int) -> None:
        super()._build_attention(rank)
        self._dropout_layer = KnobDropout(self._layer)


class KnobScores(keras.layers.Layer):  # type: ignore[misc]
    """Mixin for Attention and AdditiveAttention."""

    def __init__(self, layer: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._drop = KnobDropout(layer)

    def _apply_scores(
        self, scores: Any, value: Any, scores_mask: Any = None, training: bool = False
    ) -> tuple[Any, Any]:
        attended, weights = super()._apply_scores(scores, value, scores_mask)
        if not training:
            return attended, weights
        weights = self._drop(weights, training=True)
        return tf.matmul(weights, value), weights


class KnobAttention(KnobScores, keras.layers.Attention):  # type: ignore[misc]
    """keras.layers.Attention whose dropout has the rate of a knob."""


class KnobAdditiveAttention(KnobScores, keras.layers.AdditiveAttention):  # type: ignore[misc]
    """keras.layers.AdditiveAttention whose dropout has the rate of a knob."""


def _attention(plain: Any, knob: Any, *, dropout: float | None = None, **arguments: Any) -> Any:
    """Make Keras' own layer, or the other where scores are dropped: its dropout is the number of its knob."""
    return plain(**arguments) if dropout is None else knob(int(dropout), **arguments)


ATTENTION_LAYERS = {
    "layers.MultiHeadAttention": partial(_attention, keras.layers.MultiHeadAttention, KnobMultiHeadAttention),
    "layers.Attention": partial(_attention, keras.layers.Attention, KnobAttention),
    "layers.AdditiveAttention": partial(_attention, keras.layers.AdditiveAttention, KnobAdditiveAttention),
}
