"""Fit scikit-learn's transformers on the training rows of a table's inputs, and apply them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.array import Array
from studies.datasets.layout import Layout

_BLOCK = 1 << 22  # values transformed at once: scikit-learn copies its input several times


@dataclass(frozen=True)
class Block:
    """Some inputs, by index, and the fitted transformer that turns them into as many."""

    inputs: tuple[int, ...]
    transformer: Any  # scikit-learn's: imputation by the median, standardisation, or both


def fit(
    layout: Layout,
    x: Array,
    rows: npt.NDArray[np.int64],
    *,
    unscaled: Collection[int] = (),
    unfilled: Collection[int] = (),
) -> tuple[Block, ...]:
    """Fit the blocks of a layout on some rows of its inputs.

    Inputs that are 0 or 1 everywhere are in no block. Those of `unscaled` are not standardised, nor is the rest of an
    array that has one of them; those of `unfilled` get no value where they have none.
    """
    filled = set(layout.filled).difference(unfilled)
    scaled = set(layout.scaled).difference(unscaled)
    blocks = [
        Block(inputs, _transformer(fills, scales).fit(x[rows[:, np.newaxis], inputs]))
        for fills, scales, inputs in _groups(filled, scaled, len(rows))
    ]
    arrays = [
        Block(tuple(array), _scaled_together(x[rows, array.start : array.stop]))
        for array in layout.arrays
        if not set(array).intersection(unscaled)
    ]
    return (*blocks, *arrays)


def transform(blocks: Sequence[Block], x: Array) -> Array:
    """Transform inputs, float32 (rows, inputs), in place, and return them."""
    for block in blocks:
        x[:, block.inputs] = block.transformer.transform(x[:, block.inputs])
    return x


def _groups(filled: set[int], scaled: set[int], rows: int) -> Iterator[tuple[bool, bool, tuple[int, ...]]]:
    """Group the inputs that are treated alike, few enough for the memory: (filled, scaled, indices)."""
    size = max(1, _BLOCK // max(1, rows))
    for kind in ((True, True), (True, False), (False, True)):
        alike = [i for i in sorted(filled | scaled) if (i in filled, i in scaled) == kind]
        for start in range(0, len(alike), size):
            yield *kind, tuple(alike[start : start + size])


def _transformer(filled: bool, scaled: bool) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Where no training row has a value there is no median, and every fold must give the same inputs: then it is 0.
    steps = [SimpleImputer(strategy="median", keep_empty_features=True)] if filled else []
    return make_pipeline(*steps, *([StandardScaler()] if scaled else []))


def _scaled_together(values: Array) -> Any:
    """A transformer that standardises all of an array's values alike, as those of images are."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler, (rows, inputs), deviation = StandardScaler(), values.shape, values.std(dtype=np.float64)
    scaler.mean_ = np.full(inputs, values.mean(dtype=np.float64))
    scaler.scale_ = np.full(inputs, deviation or 1.0)
    scaler.var_, scaler.n_features_in_, scaler.n_samples_seen_ = np.square(scaler.scale_), inputs, rows
    return make_pipeline(scaler)


def scaling(blocks: Sequence[Block], inputs: int) -> tuple[Array, Array]:
    """Collect each input's mean and deviation, of shape (inputs,): 0 and 1 where it is not standardised."""
    from sklearn.preprocessing import StandardScaler

    mean, deviation = np.zeros(inputs), np.ones(inputs)
    for block in blocks:
        for _, step in block.transformer.steps:
            if isinstance(step, StandardScaler):
                mean[list(block.inputs)], deviation[list(block.inputs)] = step.mean_, step.scale_
    return mean, deviation
