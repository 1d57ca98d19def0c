"""The rows of all folds, stacked for one program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import PreparedData
from studies.spec.study import StudySpec
from studies.training.program_key import Capacity


class FoldArrays(NamedTuple):
    """The scaled rows of folds that train on equally many, fold behind fold, and rows that no fold has behind them."""

    x: Any  # training rows
    y: Any
    weights: Any  # 1 where all rows count the same
    validation_x: Any
    validation_y: Any


class FoldPlace(NamedTuple):
    """Where the rows of a fold lie among those of all folds."""

    first_train_row: int
    first_validation_row: int
    validation_rows: int


def stack_folds(folds: Sequence[PreparedData], capacity: Capacity, spec: StudySpec) -> FoldArrays:
    """Stack the rows of the folds, with the weights that the study gives them."""
    balanced = spec.training.class_weights == "balanced"
    train, validation = [fold.train for fold in folds], [fold.validation for fold in folds]
    weights = [fold.train_weights(balanced=balanced) for fold in folds]
    counted = [np.ones(len(p.y), np.float32) if w is None else w for w, p in zip(weights, train, strict=True)]
    return FoldArrays(
        _stack([part.x for part in train], capacity.train_rows),
        _stack([part.y for part in train], capacity.train_rows),
        _stack(counted, capacity.train_rows),
        _stack([part.x for part in validation], capacity.validation_rows),
        _stack([part.y for part in validation], capacity.validation_rows),
    )


def place_folds(folds: Mapping[int, PreparedData]) -> dict[int, FoldPlace]:
    """Find the places of folds that are stacked in this order."""
    places, train, validation = {}, 0, 0
    for index, fold in folds.items():
        rows = len(fold.rows.validation)
        places[index] = FoldPlace(train, validation, rows)
        train, validation = train + fold.train_rows, validation + rows
    return places


def _stack(parts: Sequence[Any], capacity: int) -> Any:
    """Stack the parts of an array, behind them zeros, as a tensor on the device that trains."""
    stacked = np.zeros((capacity, *parts[0].shape[1:]), parts[0].dtype)
    np.concatenate(parts, out=stacked[: sum(map(len, parts))])
    # As an operation's input they are copied once; `tf.constant` holds two copies.
    return tf.raw_ops.Identity(input=stacked)
