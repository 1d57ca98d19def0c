"""The rows of all folds as one program takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import Examples, PreparedData


class Rows(NamedTuple):
    """The scaled rows of folds that train on equally many; a single fold's validation rows have no axis of folds."""

    x: Any  # training rows, fold behind fold
    y: Any
    validation_x: Any  # by fold; folds that have fewer than the largest end with rows that do not count
    validation_y: Any
    validation_rows: Any  # that count, by fold
    weights: Any = None  # of training rows, fold behind fold; None where all count the same


def stacked(folds: Sequence[PreparedData], *, balanced: bool = False) -> Rows:
    """The rows of these folds; `balanced` weighs their classes."""
    found = [fold.train_weights(balanced=balanced) for fold in folds]
    weights = [of_fold for of_fold in found if of_fold is not None]
    return _stacked(folds)._replace(weights=tf.constant(np.concatenate(weights)) if weights else None)


def _stacked(folds: Sequence[PreparedData]) -> Rows:
    train, validation = [fold.train for fold in folds], [fold.validation for fold in folds]
    counts = tf.constant([len(part.y) for part in validation])
    if len(folds) == 1:
        return Rows(*_constants(train[0].x, train[0].y, validation[0].x, validation[0].y), counts)
    most = max(len(part.y) for part in validation)
    padded = [_padded(part, most) for part in validation]
    x, y = (np.concatenate(arrays) for arrays in zip(*((part.x, part.y) for part in train), strict=True))
    validation_x, validation_y = (np.stack(arrays) for arrays in zip(*((p.x, p.y) for p in padded), strict=True))
    return Rows(*_constants(x, y, validation_x, validation_y), counts)


def _constants(x: Any, y: Any, validation_x: Any, validation_y: Any) -> tuple[Any, Any, Any, Any]:
    return _constant(x), _constant(y), _constant(validation_x), _constant(validation_y)


def _constant(values: Any) -> Any:
    """The values where they are trained."""
    # As an operation's input they are copied once; `tf.constant` holds two copies.
    return tf.raw_ops.Identity(input=values)


def _padded(part: Examples, rows: int) -> Examples:
    chosen = np.minimum(np.arange(rows), len(part.y) - 1)
    return Examples(part.x[chosen], part.y[chosen])
