"""Seeded splits into training, validation and test rows, and folds of all but the test rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.datasets.catalog import Dataset
from studies.errors import DatasetError
from studies.spec import Resampling

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
STOPPING_SHARE = 0.2  # of a fold's training rows, watched by early stopping in a nested resampling

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts; together every row once."""

    train: Rows
    validation: Rows
    test: Rows


def split(dataset: Dataset, seed: int) -> Split:
    """60 % of the rows to train on, 20 % to judge trials by, 20 % that no search sees; stratified by class.

    Raises DatasetError when a class has too few rows to stand in every part.
    """
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(dataset.y))
    classes: npt.NDArray[Any] | None = None if dataset.task == "regression" else dataset.y
    try:
        rest, test = train_test_split(rows, test_size=TEST_SHARE, random_state=seed, stratify=classes)
        train, validation = train_test_split(
            rest,
            test_size=VALIDATION_SHARE / (1 - TEST_SHARE),
            random_state=seed,
            stratify=None if classes is None else classes[rest],
        )
    except ValueError as error:
        raise DatasetError(f"the rows cannot be split: {error}") from error
    if classes is not None:
        present = {len(np.unique(classes[part])) for part in (rows, train, validation, test)}
        if len(present) > 1:
            raise DatasetError("the rows cannot be split: a class has too few rows to stand in every part")
    return Split(np.sort(train), np.sort(validation), np.sort(test))


def folds(dataset: Dataset, whole: Split, resampling: Resampling, seed: int) -> list[Split]:
    """The splits a trial is trained on: the one that is given, or all but its test rows divided into folds.

    A fold is a split's validation rows; of a nested resampling its test rows, while a part of the training rows takes
    the validation's place. All splits train on the same number of rows, so that one compiled program serves them: the
    one or few rows that some would have more are left out. Raises DatasetError when there are too few rows.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    if resampling.kind == "holdout":
        return [whole]
    rows = np.sort(np.concatenate([whole.train, whole.validation]))
    _check_folds(dataset, rows, resampling.folds)
    kind = KFold if dataset.task == "regression" else StratifiedKFold
    found: list[Split] = []
    for repeat in range(resampling.fits // resampling.folds):
        # What confirms is divided apart from what was searched on.
        words = [seed, repeat, int(resampling.nested)]
        division = kind(resampling.folds, shuffle=True, random_state=np.random.RandomState(words))
        for train, fold in division.split(rows, dataset.y[rows]):
            judged = Split(rows[train], rows[fold], whole.test)
            found.append(_nested(dataset, judged, [seed, len(found)]) if resampling.nested else judged)
    size = min(len(split.train) for split in found)
    rng = np.random.default_rng([seed, len(found)])
    return [replace(split, train=np.sort(rng.permutation(split.train)[:size])) for split in found]


def _nested(dataset: Dataset, judged: Split, seed: list[int]) -> Split:
    """The fold stands in the place of the test part, and a share of the training rows in its own."""
    from sklearn.model_selection import train_test_split

    classes = None if dataset.task == "regression" else dataset.y[judged.train]
    try:
        train, stopping = train_test_split(
            judged.train, test_size=STOPPING_SHARE, random_state=np.random.RandomState(seed), stratify=classes
        )
    except ValueError as error:
        raise DatasetError(f"the training rows of a fold cannot be split: {error}") from error
    if classes is not None and len(np.unique(dataset.y[stopping])) < len(np.unique(classes)):
        raise DatasetError(
            "the training rows of a fold cannot be split: a class has too few rows to stand in each part"
        )
    return Split(np.sort(train), np.sort(stopping), judged.validation)


def _check_folds(dataset: Dataset, rows: Rows, count: int) -> None:
    least = len(rows) // 2
    if dataset.task != "regression":
        least = min(least, int(np.unique(dataset.y[rows], return_counts=True)[1].min()))
    if least < count:
        raise DatasetError(
            f"the rows beside the test part cannot be divided into {count} folds; use at most {least}, for every fold "
            "needs two rows and one of each class"
        )
