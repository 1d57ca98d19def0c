"""Split a dataset and scale it by its training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from studies.array import Array
from studies.datasets import looked_up, pipeline
from studies.datasets.catalog import Dataset, Source, load
from studies.datasets.pipeline import Block
from studies.datasets.splits import Split, delivery_folds, folds, split, train_on_all
from studies.errors import DatasetError
from studies.keras_config.lookups import Lookup
from studies.objectives import Task
from studies.spec.dataset import DatasetSpec
from studies.spec.resampling import Resampling


@dataclass(frozen=True)
class Examples:
    """Inputs and targets as a model takes them."""

    x: Array  # float32
    y: Array  # float32 of shape (rows, 1) for binary and regression, int32 of shape (rows,) for multiclass


@dataclass(frozen=True)
class Scaling:
    """A standardisation fitted on training rows: (value − mean) / deviation."""

    mean: Array
    deviation: Array

    @classmethod
    def fit(cls, values: Array, *, by_column: bool = True, wide: bool = False) -> Scaling:
        """Fit each column, or all values together as for images. A constant column is only centred.

        A wide one is of 64 bits: a target far from 0 keeps the digits in which it differs.
        """
        axis, precision = (0 if by_column else None), (np.float64 if wide else np.float32)
        deviation = np.asarray(values.std(axis=axis, dtype=np.float64))
        return cls(
            np.asarray(values.mean(axis=axis, dtype=np.float64)).astype(precision),
            np.where(deviation > 0, deviation, 1.0).astype(precision),
        )

    def leave(self, raw: Sequence[int]) -> Scaling:
        """The same that leaves some columns as they are; of one for all values together, all of them."""
        if not len(raw):
            return self
        mean, deviation = self.mean.copy(), self.deviation.copy()
        at = raw if mean.ndim else ...
        mean[at], deviation[at] = 0, 1
        return Scaling(mean, deviation)

    def __call__(self, values: Array) -> Array:
        """Scale values, to float32."""
        return np.asarray((values - self.mean) / self.deviation, dtype=np.float32)


@dataclass(frozen=True)
class PreparedData:
    """A dataset that is split and scaled. The search reads `train` and `validation`; `test` is for the end."""

    dataset: Dataset
    rows: Split
    lookups: tuple[Lookup, ...] = ()  # of the model, which gets what it looks up as it stands

    @property
    def task(self) -> Task:
        """The dataset's task."""
        return self.dataset.task

    @property
    def classes(self) -> int:
        """The number of classes; 0 for a regression."""
        return len(self.dataset.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.dataset.x.shape[1:]

    @property
    def train_rows(self) -> int:
        """The number of training rows."""
        return len(self.rows.train)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The fitted transformers of a user's table."""
        layout = self.dataset.layout
        unscaled, unfilled = looked_up.positions(self.lookups), looked_up.exact_positions(self.lookups)
        if layout is None:
            return ()
        return pipeline.fit(layout, self.dataset.x, self.rows.train, unscaled=unscaled, unfilled=unfilled)

    @cached_property
    def input_scaling(self) -> Scaling:
        """The inputs' scaling: by column for tables, one for all pixels; a user's table has `blocks` instead."""
        scaling = Scaling.fit(self.dataset.x[self.rows.train], by_column=self.dataset.x.ndim <= 2)
        return scaling.leave(looked_up.positions(self.lookups))

    @cached_property
    def target_scaling(self) -> Scaling:
        """The scaling of a regression's target; the identity for classes."""
        if self.task != "regression":
            return Scaling(np.float32(0), np.float32(1))  # type: ignore[arg-type]  # a scalar is an array of shape ()
        return Scaling.fit(self.dataset.y[self.rows.train], by_column=False, wide=True)

    @cached_property
    def train(self) -> Examples:
        """The examples to compute gradients on."""
        return self._examples(self.rows.train)

    def train_weights(self, *, balanced: bool) -> Array | None:
        """Weight the training rows by the dataset's weights, and if `balanced` by how rare each row's class is.

        The weights are 1 on average; None where all rows count the same.

        Raises DatasetError when no training row has a weight above 0.
        """
        from sklearn.utils.class_weight import compute_sample_weight

        if self.dataset.weights is None and not balanced:
            return None
        weights = np.ones(self.train_rows) if self.dataset.weights is None else self.dataset.weights[self.rows.train]
        if balanced:
            weights = weights * compute_sample_weight("balanced", self.dataset.y[self.rows.train])
        if not weights.any():
            raise DatasetError("no training row has a weight above 0")
        return np.asarray(weights / weights.mean(), dtype=np.float32)

    @cached_property
    def validation(self) -> Examples:
        """The examples that judge trials."""
        return self._examples(self.rows.validation)

    def test(self) -> Examples:
        """The examples that no search has seen."""
        return self._examples(self.rows.test)

    def _examples(self, rows: npt.NDArray[np.int64]) -> Examples:
        x, y = self.dataset.x[rows], self.dataset.y[rows]
        x = self.input_scaling(x) if self.dataset.layout is None else pipeline.transform(self.blocks, x)
        targets = y.astype(np.int32) if self.task == "multiclass" else self.target_scaling(y)[:, np.newaxis]
        return Examples(x, targets)


def prepare(
    spec: DatasetSpec,
    seed: int,
    resampling: Resampling | None = None,
    source: Source | None = None,
    lookups: tuple[Lookup, ...] = (),
) -> PreparedData:
    """Load, split and scale a study's dataset; the same seed gives the same parts on every machine.

    Raises InvalidTableError when a value that the study's model looks up is not in its table.
    """
    dataset = load(spec, source, lookups)
    _check_lookups(dataset, lookups)
    rows = split(dataset, seed, resampling.split if resampling is not None else "auto")
    return PreparedData(dataset, rows, lookups)


def prepare_folds(
    spec: DatasetSpec,
    seed: int,
    resampling: Resampling,
    source: Source | None = None,
    lookups: tuple[Lookup, ...] = (),
) -> tuple[PreparedData, ...]:
    """Load a study's dataset and divide it; `source` gives an uploaded file by its digest.

    Raises what `divide` does.
    """
    return divide(load(spec, source, lookups), seed, resampling, lookups)


def divide(
    dataset: Dataset, seed: int, resampling: Resampling, lookups: tuple[Lookup, ...] = ()
) -> tuple[PreparedData, ...]:
    """Split a loaded dataset into what `Job.fold` counts, each scaled by its own training rows.

    First come the folds a trial is trained on; then, unless that is a holdout, the dataset as `prepare` splits it; of a
    nested resampling then all rows to train on, and the folds of a delivery.

    Raises InvalidTableError when a value that the study's model looks up is not in its table.
    """
    _check_lookups(dataset, lookups)
    base = split(dataset, seed, resampling.split)
    splits = [*folds(dataset, base, resampling, seed)]
    splits += [] if resampling.kind == "holdout" else [base]
    splits += [train_on_all(base), *delivery_folds(dataset, resampling, seed)] if resampling.nested else []
    return tuple(PreparedData(dataset, rows, lookups) for rows in splits)


def _check_lookups(dataset: Dataset, lookups: Sequence[Lookup]) -> None:
    def describe(row: int) -> str:
        number = row if dataset.kept is None else int(dataset.kept[row])
        return f"row {number + 1} of the data"

    looked_up.check(dataset.x, lookups, dataset.feature_names, describe)
