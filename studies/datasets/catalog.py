"""Load the rows of a dataset from its description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studies.array import Array
from studies.datasets import looked_up, synthetic, tables
from studies.datasets.layout import Layout, encode, lay_out
from studies.datasets.table import Column, Table
from studies.datasets.target import derive_target
from studies.errors import DatasetError
from studies.keras_config.lookups import Lookup
from studies.objectives import Task
from studies.predictions import ClassType
from studies.spec.dataset import BuiltinDataset, BuiltinName, DatasetSpec, Recipe, SyntheticDataset, UploadedDataset

#: From the digest of an uploaded file to the file.
Source = Callable[[str], Path]


@dataclass(frozen=True)
class Dataset:
    """Rows and targets before any split or scaling."""

    x: Array  # float32, (rows, features) or (rows, height, width, channels); of a `layout` NaN where a value is missing
    y: Array  # int64 class numbers of shape (rows,), or targets, of a user's file float64
    task: Task
    feature_names: tuple[str, ...]  # empty for images
    class_names: tuple[str, ...]  # empty for a regression
    informative: tuple[int, ...] | None = None  # columns the target depends on, where that is known
    layout: Layout | None = None  # of a user's table: the inputs that its columns gave
    weights: Array | None = None  # of each row in training
    groups: Array | None = None  # the number of each row's group
    times: Array | None = None  # whose order is that of the rows
    kept: Array | None = None  # the file's row, from 0, of each row; None where all rows are kept
    class_type: ClassType = "text"  # what the names of the classes stand for


def load(spec: DatasetSpec, source: Source | None = None, lookups: Sequence[Lookup] = ()) -> Dataset:
    """Load the dataset that a study names; `source` gives an uploaded one's file by its digest.

    Of texts that the study's model looks up `x` has the indices.

    Raises DatasetError when the file is not there, or is read otherwise than when it was uploaded.
    """
    match spec:
        case BuiltinDataset():
            return _load_builtin(spec.name)
        case SyntheticDataset():
            return _draw_synthetic(spec.recipe, spec.name, spec.seed)
    return _read_uploaded(spec, source, lookups)


def _read_uploaded(spec: UploadedDataset, source: Source | None, lookups: Sequence[Lookup]) -> Dataset:
    if source is None or spec.digest is None or spec.format is None or spec.options is None:
        raise DatasetError(f"the file of the dataset '{spec.name}' is not at hand here")
    vocabularies, facts = looked_up.vocabularies(lookups), spec.facts
    table = tables.read(source(spec.digest), spec.format, spec.options, vocabularies=vocabularies)
    dataset = from_table(table)
    if dataset.x.shape[1:] != facts.shape and any(column.kept for column in table.features):
        dataset = from_table(table.without_kept())  # profiled by an earlier version
    shape = dataset.x.shape
    if (dataset.task, *shape) != (facts.task, facts.rows, *facts.shape):
        raise DatasetError(
            f"the dataset '{spec.name}' is read as {shape} for a {dataset.task} task here, and as "
            f"{(facts.rows, *facts.shape)} for a {facts.task} task where it was uploaded; upload it again"
        )
    return dataset


def from_table(table: Table) -> Dataset:
    """Encode a user's table as a dataset; nothing is fitted yet.

    Raises DatasetError when the target cannot be predicted, or no column tells anything.
    """
    target = derive_target(table)
    layout = None
    if table.images is not None:
        x = table.images
    else:
        layout = lay_out(table)
        if not layout.columns:
            raise DatasetError(
                "every column is the same in all rows, or an identifier; there is nothing to predict from"
            )
        columns: dict[str, Column | Array] = {**table.arrays, **{column.name: column for column in table.features}}
        x = encode([columns[column.name] for column in layout.columns], layout)
    weights, groups, times = (None if c is None else c.values for c in (table.weight, table.group, table.time))
    return Dataset(
        x,
        target.y,
        target.task,
        () if layout is None else layout.features,
        target.class_names,
        layout=layout,
        weights=weights,
        groups=groups,
        times=times,
        kept=table.kept,
        class_type=target.class_type,
    )


def _load_builtin(name: BuiltinName) -> Dataset:
    from sklearn import datasets

    match name:
        case "digits" | "digits_images":
            bunch = datasets.load_digits()
        case "breast_cancer":
            bunch = datasets.load_breast_cancer()
        case "wine":
            bunch = datasets.load_wine()
        case "iris":
            bunch = datasets.load_iris()
        case "diabetes":
            # Raw columns: the bundled scaling is fitted on every row, ours on the training part only.
            bunch = datasets.load_diabetes(scaled=False)
    if name == "diabetes":
        return Dataset(_to_float32(bunch.data), _to_float32(bunch.target), "regression", tuple(bunch.feature_names), ())
    classes = tuple(map(str, bunch.target_names))
    x = bunch.images[..., np.newaxis] if name == "digits_images" else bunch.data
    features = () if name == "digits_images" else tuple(map(str, bunch.feature_names))
    task: Task = "binary" if len(classes) == 2 else "multiclass"
    return Dataset(_to_float32(x), bunch.target.astype(np.int64), task, features, classes)


def _draw_synthetic(recipe: Recipe, name: str, seed: int) -> Dataset:
    x, y, informative = synthetic.draw(recipe, np.random.default_rng([seed, *name.encode()]))
    classes = () if recipe.task == "regression" else ("0", "1")
    names = tuple(f"x{i}" for i in range(recipe.features))
    return Dataset(x, y, recipe.task, names, classes, informative)


def _to_float32(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.float32)
