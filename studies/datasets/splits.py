"""Seeded splits into training, validation and test rows, and folds of all but the test rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.datasets.catalog import Dataset
from studies.datasets.split_strategies import Rows, by_group, by_time, group_folds, resolved, time_folds
from studies.errors import DatasetError
from studies.spec.resampling import Resampling, SplitStrategy

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
STOPPING_SHARE = 0.2  # of a fold's training rows, watched by early stopping in a nested resampling
DELIVERY_FOLDS, DELIVERY_REPEATS = 10, 2
_LEFT_OUT = 0.05  # of a fold's training rows, at most, so that all folds train on equally many


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts; together every row once."""

    train: Rows
    validation: Rows
    test: Rows


def split(dataset: Dataset, seed: int, division: SplitStrategy = "auto") -> Split:
    """60 % of the rows to train on, 20 % to judge trials by, 20 % that no search sees, divided as is asked for.

    Raises DatasetError when a class has too few rows to stand in every part, or the dataset cannot be divided so.
    """
    rows = np.arange(len(dataset.y))
    kind = resolved(division, dataset)
    rest, test = _cut(dataset, rows, TEST_SHARE, seed, kind)
    train, validation = _cut(dataset, rest, VALIDATION_SHARE / (1 - TEST_SHARE), seed, kind)
    if dataset.task != "regression":
        present = {len(np.unique(dataset.y[part])) for part in (rows, train, validation, test)}
        if len(present) > 1:
            raise DatasetError("the rows cannot be split: a class has too few rows to stand in every part")
    return Split(np.sort(train), np.sort(validation), np.sort(test))


def everything(whole: Split) -> Split:
    """All rows to train on; nothing is left that could judge, so the other two parts are those of the split."""
    rows = np.sort(np.concatenate([whole.train, whole.validation, whole.test]))
    return Split(rows, whole.validation, whole.test)


def delivery_folds(dataset: Dataset, resampling: Resampling, seed: int) -> list[Split]:
    """All rows divided into folds, twice, for the models of a delivery: each trains on the rest and is stopped by its
    fold. In the order of time there is one, whose fold are the latest rows.
    """
    rows, kind = np.arange(len(dataset.y)), resolved(resampling.split, dataset)
    if kind == "time":
        divided = [_cut(dataset, rows, 1 / DELIVERY_FOLDS, seed, kind)]
    else:
        count = _most_folds(dataset, kind)
        words = [[seed, DELIVERY_FOLDS, repeat] for repeat in range(DELIVERY_REPEATS)]
        divided = [fold for of_repeat in words for fold in _division(dataset, rows, count, of_repeat, kind)]
    found = [Split(np.sort(train), np.sort(fold), np.sort(fold)) for train, fold in divided]
    return _of_one_size(found, np.random.default_rng([seed, DELIVERY_FOLDS]))


def _most_folds(dataset: Dataset, kind: SplitStrategy) -> int:
    """Folds of a delivery that there are rows for."""
    if dataset.groups is not None and kind == "group":
        return min(DELIVERY_FOLDS, len(np.unique(dataset.groups)))
    rarest = int(np.unique(dataset.y, return_counts=True)[1].min()) if kind == "stratified" else DELIVERY_FOLDS
    return max(2, min(DELIVERY_FOLDS, rarest, len(dataset.y) // 2))


def _cut(
    dataset: Dataset,
    rows: Rows,
    share: float,
    seed: int | np.random.RandomState,
    kind: SplitStrategy,
    of: str = "the rows",
) -> tuple[Rows, Rows]:
    """Rows in two: the rest, and a share to be judged by."""
    from sklearn.model_selection import train_test_split

    if kind == "time":
        return by_time(dataset, rows, share)
    if kind == "group":
        return by_group(dataset, rows, share, seed)
    classes: npt.NDArray[Any] | None = dataset.y[rows] if kind == "stratified" else None
    try:
        rest, judging = train_test_split(rows, test_size=share, random_state=seed, stratify=classes)
    except ValueError as error:
        raise DatasetError(f"{of} cannot be split: {error}") from error
    return rest, judging


def folds(dataset: Dataset, whole: Split, resampling: Resampling, seed: int) -> list[Split]:
    """The splits a trial is trained on: the one that is given, or all but its test rows divided into folds.

    A fold is a split's validation rows; of a nested resampling its test rows, while a part of the training rows takes
    the validation's place. All splits train on the same number of rows where few are left out for it, so that one
    compiled program serves them; in time's order they grow. Raises DatasetError when there are too few rows.
    """
    if resampling.kind == "holdout":
        return [whole]
    kind = resolved(resampling.split, dataset)
    rows = np.sort(np.concatenate([whole.train, whole.validation]))
    if kind == "time" and resampling.fits > resampling.folds:
        raise DatasetError("rows in the order of time are divided into folds in one way only; use repeats: 1")
    if kind != "time":
        _check_folds(dataset, rows, resampling.folds, stratified=kind == "stratified")
    found: list[Split] = []
    for repeat in range(resampling.fits // resampling.folds):
        # What confirms is divided apart from what was searched on.
        words = [seed, repeat, int(resampling.nested)]
        for train, fold in _division(dataset, rows, resampling.folds, words, kind):
            judged = Split(train, fold, whole.test)
            found.append(_nested(dataset, judged, [seed, len(found)], kind) if resampling.nested else judged)
    if dataset.task != "regression":
        _check_classes(dataset, found)
    return found if kind == "time" else _of_one_size(found, np.random.default_rng([seed, len(found)]))


def _division(
    dataset: Dataset, rows: Rows, count: int, words: list[int], kind: SplitStrategy
) -> list[tuple[Rows, Rows]]:
    """Rows divided into folds: of each, the training rows and the fold's own."""
    from sklearn.model_selection import KFold, StratifiedKFold

    random = np.random.RandomState(words)
    if kind == "time":
        return time_folds(dataset, rows, count)
    if kind == "group":
        return group_folds(dataset, rows, count, random)
    division = (StratifiedKFold if kind == "stratified" else KFold)(count, shuffle=True, random_state=random)
    return [(rows[train], rows[fold]) for train, fold in division.split(rows, dataset.y[rows])]


def _of_one_size(found: list[Split], rng: np.random.Generator) -> list[Split]:
    size, largest = (of(len(split.train) for split in found) for of in (min, max))
    if size < (1 - _LEFT_OUT) * largest and largest - size > 1:
        return found  # folds of large groups differ: each size is trained by a program of its own
    return [replace(split, train=np.sort(rng.permutation(split.train)[:size])) for split in found]


def _nested(dataset: Dataset, judged: Split, seed: list[int], kind: SplitStrategy) -> Split:
    """The fold stands in the place of the test part, and a share of the training rows in its own."""
    of = "the training rows of a fold"
    train, stopping = _cut(dataset, judged.train, STOPPING_SHARE, np.random.RandomState(seed), kind, of)
    if dataset.task != "regression" and len(np.unique(dataset.y[stopping])) < len(np.unique(dataset.y[judged.train])):
        raise DatasetError(
            "the training rows of a fold cannot be split: a class has too few rows to stand in each part"
        )
    return Split(np.sort(train), np.sort(stopping), judged.validation)


def _check_folds(dataset: Dataset, rows: Rows, count: int, *, stratified: bool) -> None:
    least = len(rows) // 2
    if stratified:
        least = min(least, int(np.unique(dataset.y[rows], return_counts=True)[1].min()))
    if least < count:
        raise DatasetError(
            f"the rows beside the test part cannot be divided into {count} folds; use at most {least}, for every fold "
            "needs two rows and one of each class"
        )


def _check_classes(dataset: Dataset, found: list[Split]) -> None:
    """A model cannot learn a class that it is not shown."""
    for number, fold in enumerate(found, 1):
        absent = np.setdiff1d(np.arange(len(dataset.class_names)), dataset.y[fold.train])
        if len(absent):
            raise DatasetError(
                f"fold {number} has no training row of the class '{dataset.class_names[absent[0]]}'; use fewer folds, "
                "or another resampling.split"
            )
