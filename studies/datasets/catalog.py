"""From a dataset's description to its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.dataset_spec import BuiltinDataset, BuiltinName, DatasetSpec, Recipe
from studies.datasets import synthetic
from studies.objectives import Task

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Dataset:
    """Rows and targets as they came, before any split or scaling."""

    x: Array  # float32, (rows, features) or (rows, height, width, channels)
    y: Array  # int64 class numbers of shape (rows,), or float32 targets
    task: Task
    feature_names: tuple[str, ...]  # empty for images
    class_names: tuple[str, ...]  # empty for a regression
    informative: tuple[int, ...] | None = None  # columns the target depends on, where that is known


def load(spec: DatasetSpec) -> Dataset:
    """The dataset a study names."""
    return _builtin(spec.name) if isinstance(spec, BuiltinDataset) else _synthetic(spec.recipe, spec.name, spec.seed)


def _builtin(name: BuiltinName) -> Dataset:
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
            # Raw columns: the bundled scaling has seen every row, ours sees the training part only.
            bunch = datasets.load_diabetes(scaled=False)
    if name == "diabetes":
        return Dataset(_float(bunch.data), _float(bunch.target), "regression", tuple(bunch.feature_names), ())
    classes = tuple(map(str, bunch.target_names))
    x = bunch.images[..., np.newaxis] if name == "digits_images" else bunch.data
    features = () if name == "digits_images" else tuple(map(str, bunch.feature_names))
    task: Task = "binary" if len(classes) == 2 else "multiclass"
    return Dataset(_float(x), bunch.target.astype(np.int64), task, features, classes)


def _synthetic(recipe: Recipe, name: str, seed: int) -> Dataset:
    x, y, informative = synthetic.draw(recipe, np.random.default_rng([seed, *name.encode()]))
    classes = () if recipe.task == "regression" else ("0", "1")
    names = tuple(f"x{i}" for i in range(recipe.features))
    return Dataset(x, y, recipe.task, names, classes, informative)


def _float(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.float32)
