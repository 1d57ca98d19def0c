"""The rows of all folds, stacked for one program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import Examples, PreparedData


class FoldArrays(NamedTuple):
    """The scaled rows of folds that train on equally many; a single fold's validation rows have no axis of folds."""

    x: Any  # training rows, fold behind fold
    y: Any
    validation_x: Any  # by fold; a fold smaller than the largest is padded with rows that do not count
    validation_y: Any
    validation_rows: Any  # that count, by fold
    weights: Any = None  # of training rows, fold behind fold; None where all count the same


def stack_folds(folds: Sequence[PreparedData], *, balanced: bool = False) -> FoldArrays:
    """Stack the rows of the folds; `balanced` weights their classes."""
    weights = [of_fold for fold in folds if (of_fold := fold.train_weights(balanced=balanced)) is not None]
    return _stack_rows(folds)._replace(weights=tf.constant(np.concatenate(weights)) if weights else None)


def _stack_rows(folds: Sequence[PreparedData]) -> FoldArrays:
    train, validation = [fold.train for fold in folds], [fold.validation for fold in folds]
    counts = tf.constant([len(part.y) for part in validation])
    if len(folds) == 1:
        return _constants(train[0].x, train[0].y, validation[0].x, validation[0].y, counts)
    most = max(len(part.y) for part in validation)
    padded = [_pad(part, most) for part in validation]
    x, y = (np.concatenate(arrays) for arrays in zip(*((part.x, part.y) for part in train), strict=True))
    validation_x, validation_y = (np.stack(arrays) for arrays in zip(*((p.x, p.y) for p in padded), strict=True))
    return _constants(x, y, validation_x, validation_y, counts)


def _constants(x: Any, y: Any, validation_x: Any, validation_y: Any, counts: Any) -> FoldArrays:
    return FoldArrays(_constant(x), _constant(y), _constant(validation_x), _constant(validation_y), counts)


def _constant(values: Any) -> Any:
    """The values as a tensor on the device that trains."""
    # As an operation's input they are copied once; `tf.constant` holds two copies.
    return tf.raw_ops.Identity(input=values)


def _pad(part: Examples, rows: int) -> Examples:
    """Repeat the last row until there are so many."""
    indices = np.minimum(np.arange(rows), len(part.y) - 1)
    return Examples(part.x[indices], part.y[indices])
