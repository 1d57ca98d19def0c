"""What training needs: parts of a split, scaled by what the training part alone shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.datasets import pipeline
from studies.datasets.catalog import Dataset, Source, load
from studies.datasets.pipeline import Block
from studies.datasets.splits import Split, delivery_folds, everything, folds, split
from studies.errors import DatasetError
from studies.objectives import Task
from studies.spec.dataset import DatasetSpec
from studies.spec.resampling import Resampling

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Inputs and targets as the model sees them."""

    x: Array  # float32
    y: Array  # float32 of shape (rows, 1) for binary and regression, int32 of shape (rows,) for multiclass


@dataclass(frozen=True)
class Scaling:
    """Standardisation fitted on training rows: (value − mean) / deviation."""

    mean: Array
    deviation: Array

    @classmethod
    def fit(cls, values: Array, *, whole: bool = False) -> Scaling:
        """Of each column, or of all values together (`whole`, for images). A constant column is only centred."""
        axis = None if whole else 0
        deviation = np.asarray(values.std(axis=axis, dtype=np.float64))
        return cls(
            np.asarray(values.mean(axis=axis, dtype=np.float64)).astype(np.float32),
            np.where(deviation > 0, deviation, 1.0).astype(np.float32),
        )

    def __call__(self, values: Array) -> Array:
        """The scaled values, float32."""
        return np.asarray((values - self.mean) / self.deviation, dtype=np.float32)


@dataclass(frozen=True)
class PreparedData:
    """A dataset split and scaled. The search reads `train` and `validation`; `test` is for the end."""

    dataset: Dataset
    rows: Split

    @property
    def task(self) -> Task:
        """What the data asks for."""
        return self.dataset.task

    @property
    def classes(self) -> int:
        """Number of classes, 0 for a regression."""
        return len(self.dataset.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self.dataset.x.shape[1:]

    @property
    def train_rows(self) -> int:
        """Rows of the training part."""
        return len(self.rows.train)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """What is fitted of the inputs of a user's table."""
        layout = self.dataset.layout
        return () if layout is None else pipeline.fit(layout, self.dataset.x, self.rows.train)

    @cached_property
    def input_scaling(self) -> Scaling:
        """Per column for tables, one for all pixels for images; a user's table has `blocks` instead."""
        return Scaling.fit(self.dataset.x[self.rows.train], whole=self.dataset.x.ndim > 2)

    @cached_property
    def target_scaling(self) -> Scaling:
        """Of a regression's target; the identity for classes."""
        if self.task != "regression":
            return Scaling(np.float32(0), np.float32(1))  # type: ignore[arg-type]  # a scalar is an array of shape ()
        return Scaling.fit(self.dataset.y[self.rows.train], whole=True)

    @cached_property
    def train(self) -> Part:
        """What gradients are computed on."""
        return self._part(self.rows.train)

    def train_weights(self, *, balanced: bool) -> Array | None:
        """How much each training row counts, 1 on average: as the dataset says, and `balanced` as its class is rare.

        None where all count the same.
        """
        from sklearn.utils.class_weight import compute_sample_weight

        if self.dataset.weights is None and not balanced:
            return None
        own = np.ones(self.train_rows) if self.dataset.weights is None else self.dataset.weights[self.rows.train]
        weights = own * compute_sample_weight("balanced", self.dataset.y[self.rows.train]) if balanced else own
        if not weights.any():
            raise DatasetError("no training row has a weight above 0")
        return np.asarray(weights / weights.mean(), dtype=np.float32)

    @cached_property
    def validation(self) -> Part:
        """What trials are judged by."""
        return self._part(self.rows.validation)

    def test(self) -> Part:
        """What no search has seen."""
        return self._part(self.rows.test)

    def _part(self, rows: npt.NDArray[np.int64]) -> Part:
        x, y = self.dataset.x[rows], self.dataset.y[rows]
        x = self.input_scaling(x) if self.dataset.layout is None else pipeline.transform(self.blocks, x)
        return Part(x, y.astype(np.int32) if self.task == "multiclass" else self.target_scaling(y)[:, np.newaxis])


def prepare(
    spec: DatasetSpec, seed: int, resampling: Resampling | None = None, source: Source | None = None
) -> PreparedData:
    """Load, split and scale a study's dataset; the same seed gives the same parts everywhere."""
    dataset = load(spec, source)
    return PreparedData(dataset, split(dataset, seed, resampling.split if resampling is not None else "auto"))


def prepare_folds(
    spec: DatasetSpec, seed: int, resampling: Resampling, source: Source | None = None
) -> tuple[PreparedData, ...]:
    """What `Job.fold` counts: the folds a trial is trained on, each scaled by its own training rows; behind them, where
    there are any, the dataset as `prepare` splits it; of a nested resampling then all its rows to train on, and the
    folds of a delivery. `source` gives an uploaded file by its digest.
    """
    return divide(load(spec, source), seed, resampling)


def divide(dataset: Dataset, seed: int, resampling: Resampling) -> tuple[PreparedData, ...]:
    """The same of a dataset that is loaded."""
    whole = split(dataset, seed, resampling.split)
    found = [*folds(dataset, whole, resampling, seed)]
    found += [] if resampling.kind == "holdout" else [whole]
    found += [everything(whole), *delivery_folds(dataset, resampling, seed)] if resampling.nested else []
    return tuple(PreparedData(dataset, rows) for rows in found)
