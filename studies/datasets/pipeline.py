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


def fit(layout: Layout, x: Array, rows: npt.NDArray[np.int64], raw: Collection[int] = ()) -> tuple[Block, ...]:
    """Fit the blocks of a layout on some rows of its inputs.

    Inputs that are 0 or 1 everywhere are in no block, and neither are those of `raw`, which stay as they are.
    """
    blocks = [
        Block(inputs, _transformer(filled, scaled).fit(x[rows[:, np.newaxis], inputs]))
        for filled, scaled, inputs in _groups(layout, len(rows), raw)
    ]
    arrays = [
        Block(inputs, _scaled_together(x[rows, array.start : array.stop], len(inputs)))
        for array in layout.arrays
        if (inputs := tuple(sorted(set(array).difference(raw))))
    ]
    return (*blocks, *arrays)


def transform(blocks: Sequence[Block], x: Array) -> Array:
    """Transform inputs, float32 (rows, inputs), in place, and return them."""
    for block in blocks:
        x[:, block.inputs] = block.transformer.transform(x[:, block.inputs])
    return x


def _groups(layout: Layout, rows: int, raw: Collection[int]) -> Iterator[tuple[bool, bool, tuple[int, ...]]]:
    """Group the inputs that are treated alike, few enough for the memory: (filled, scaled, indices)."""
    filled, scaled = (set(inputs).difference(raw) for inputs in (layout.filled, layout.scaled))
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


def _scaled_together(values: Array, inputs: int) -> Any:
    """A transformer of so many inputs that standardises all of an array's values alike, as those of images are."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaler, deviation = StandardScaler(), values.std(dtype=np.float64)
    scaler.mean_ = np.full(inputs, values.mean(dtype=np.float64))
    scaler.scale_ = np.full(inputs, deviation or 1.0)
    scaler.var_, scaler.n_features_in_, scaler.n_samples_seen_ = np.square(scaler.scale_), inputs, len(values)
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
