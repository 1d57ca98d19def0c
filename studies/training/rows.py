"""The rows of all folds as one program takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import Part, PreparedData


class Rows(NamedTuple):
    """The scaled rows of folds that train on equally many; a single fold's validation rows have no axis of folds."""

    x: Any  # training rows, fold behind fold
    y: Any
    validation_x: Any  # by fold; folds that have fewer than the largest end with rows that do not count
    validation_y: Any
    validation_rows: Any  # that count, by fold


def stacked(folds: Sequence[PreparedData]) -> Rows:
    """The rows of these folds."""
    train, validation = [fold.train for fold in folds], [fold.validation for fold in folds]
    counts = [len(part.y) for part in validation]
    if len(folds) == 1:
        arrays = train[0].x, train[0].y, validation[0].x, validation[0].y
    else:
        most = max(counts)
        arrays = (
            np.concatenate([part.x for part in train]),
            np.concatenate([part.y for part in train]),
            np.stack([_padded(part, most).x for part in validation]),
            np.stack([_padded(part, most).y for part in validation]),
        )
    return Rows(*map(tf.constant, arrays), tf.constant(counts))


def _padded(part: Part, rows: int) -> Part:
    chosen = np.minimum(np.arange(rows), len(part.y) - 1)
    return Part(part.x[chosen], part.y[chosen])
