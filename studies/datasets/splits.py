"""Seeded splits into training, validation and test rows, and folds of all but the test rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.datasets.catalog import Dataset
from studies.datasets.split_strategies import (
    RowIndices,
    cut_by_group,
    cut_by_time,
    fold_borders,
    group_folds,
    later_share,
    order_by_time,
    resolve,
    time_folds,
)
from studies.errors import DatasetError
from studies.spec.comparison import DELIVERY_FOLDS, DELIVERY_REPEATS
from studies.spec.dataset import FoldLimit
from studies.spec.resampling import MAX_FOLDS, Resampling, SplitStrategy, describe_too_many_folds

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
STOPPING_SHARE = 0.2  # of a fold's training rows, watched by early stopping in a nested resampling
_IN_WHICH_ORDER: dict[SplitStrategy, str] = {"time": " in the order of time", "group": " by group"}
_MAX_LEFT_OUT = 0.05  # of a fold's training rows, so that all folds train on equally many


@dataclass(frozen=True)
class Split:
    """Row indices of the three parts; together every row once."""

    train: RowIndices
    validation: RowIndices
    test: RowIndices


def split(dataset: Dataset, seed: int, strategy: SplitStrategy = "auto") -> Split:
    """Split the rows: 60 % to train on, 20 % to judge trials by, 20 % that no search sees.

    Raises DatasetError when a class has too few rows for every part, or the strategy does not fit the dataset.
    """
    rows = np.arange(len(dataset.y))
    strategy = resolve(strategy, dataset)
    rest, test = _cut(dataset, rows, TEST_SHARE, seed, strategy)
    train, validation = _cut(dataset, rest, VALIDATION_SHARE / (1 - TEST_SHARE), seed, strategy)
    if dataset.task != "regression":
        for name, part in (("training", train), ("validation", validation), ("test", test)):
            _check_part(dataset, part, name, strategy)
    return Split(np.sort(train), np.sort(validation), np.sort(test))


def _check_part(dataset: Dataset, part: RowIndices, name: str, strategy: SplitStrategy) -> None:
    """Raise DatasetError when a class has no row in a part."""
    absent = np.setdiff1d(np.unique(dataset.y), dataset.y[part])
    if len(absent):
        rows, order = int((dataset.y == absent[0]).sum()), _IN_WHICH_ORDER.get(strategy, "")
        raise DatasetError(
            f"the rows cannot be split{order}: class '{dataset.class_names[absent[0]]}' has {rows} of {len(dataset.y)} "
            f"rows, and none of them is in the {name} part"
        )


def time_obstacle(dataset: Dataset) -> str:
    """Say why the dataset, which has times, cannot be split in their order; empty where it can."""
    try:
        split(dataset, 0, "time")
    except DatasetError as error:
        return str(error)
    return ""


def time_fold_limits(dataset: Dataset) -> tuple[FoldLimit, FoldLimit]:
    """Find into how many folds the dataset, whose order of time has no obstacle, can be divided in that order.

    The second limit is a nested resampling's. Whether each of its stopping parts has all classes is seen only when the
    folds are made.
    """
    base = split(dataset, 0, "time")
    ordered = order_by_time(dataset, np.concatenate([base.train, base.validation]))
    times, y = dataset.times[ordered], dataset.y[ordered]  # type: ignore[index]  # order_by_time read it
    first_rows = [] if dataset.task == "regression" else [int(np.argmax(y == c)) for c in np.unique(y)]
    last_class = int(np.argmax(first_rows)) if first_rows else 0

    def limit(*, nested: bool) -> FoldLimit:
        for count in range(2, MAX_FOLDS + 1):
            try:
                # The first fold has the fewest rows to train on.
                learned = fold_borders(times, count)[0]
                learned = later_share(times[:learned], STOPPING_SHARE) if nested else learned
            except DatasetError as error:
                return FoldLimit(count - 1, str(error).partition(";")[0])  # what to use instead is said with the limit
            if first_rows and first_rows[last_class] >= learned:
                return FoldLimit(count - 1, _describe_unseen(1, dataset.class_names[last_class]))
        return FoldLimit(MAX_FOLDS)

    return limit(nested=False), limit(nested=True)


def _describe_unseen(fold: int, name: str) -> str:
    return f"fold {fold} has no training row of the class '{name}'"


def train_on_all(base: Split) -> Split:
    """Put all rows into the training part; keep the other two parts, although nothing is left that could judge."""
    rows = np.sort(np.concatenate([base.train, base.validation, base.test]))
    return Split(rows, base.validation, base.test)


def delivery_folds(dataset: Dataset, resampling: Resampling, seed: int) -> list[Split]:
    """Divide all rows into folds, twice, for the models of a delivery; each model is stopped by its fold.

    In the order of time there is one fold, the latest rows.
    """
    rows, strategy = np.arange(len(dataset.y)), resolve(resampling.split, dataset)
    if strategy == "time":
        folds = [_cut(dataset, rows, 1 / DELIVERY_FOLDS, seed, strategy)]
    else:
        count = _delivery_fold_count(dataset, strategy)
        seeds = [[seed, DELIVERY_FOLDS, repeat] for repeat in range(DELIVERY_REPEATS)]
        folds = [fold for repeat_seed in seeds for fold in _folds(dataset, rows, count, repeat_seed, strategy)]
    splits = [Split(np.sort(train), np.sort(fold), np.sort(fold)) for train, fold in folds]
    return _equalize(splits, np.random.default_rng([seed, DELIVERY_FOLDS]))


def _delivery_fold_count(dataset: Dataset, strategy: SplitStrategy) -> int:
    """DELIVERY_FOLDS, or as many as there are groups or rows for."""
    if dataset.groups is not None and strategy == "group":
        return min(DELIVERY_FOLDS, len(np.unique(dataset.groups)))
    rarest = int(np.unique(dataset.y, return_counts=True)[1].min()) if strategy == "stratified" else DELIVERY_FOLDS
    return max(2, min(DELIVERY_FOLDS, rarest, len(dataset.y) // 2))


def _cut(
    dataset: Dataset,
    rows: RowIndices,
    share: float,
    seed: int | np.random.RandomState,
    strategy: SplitStrategy,
    subject: str = "the rows",
) -> tuple[RowIndices, RowIndices]:
    """Cut rows in two: the rest, and a share to judge by; `subject` begins the error's sentence."""
    from sklearn.model_selection import train_test_split

    if strategy == "time":
        return cut_by_time(dataset, rows, share)
    if strategy == "group":
        return cut_by_group(dataset, rows, share, seed)
    classes: npt.NDArray[Any] | None = dataset.y[rows] if strategy == "stratified" else None
    try:
        rest, judging = train_test_split(rows, test_size=share, random_state=seed, stratify=classes)
    except ValueError as error:
        raise DatasetError(f"{subject} cannot be split: {error}") from error
    return rest, judging


def folds(dataset: Dataset, base: Split, resampling: Resampling, seed: int) -> list[Split]:
    """Divide all but the test rows of `base` into the splits that a trial is trained on; a holdout has `base` alone.

    A fold is a split's validation rows. In a nested resampling it is the test rows, and a share of the training rows
    becomes the validation part. All splits train on the same number of rows where few are left out for it, so that one
    compiled program serves them; in the order of time they grow.

    Raises DatasetError when there are too few rows.
    """
    if resampling.kind == "holdout":
        return [base]
    strategy = resolve(resampling.split, dataset)
    rows = np.sort(np.concatenate([base.train, base.validation]))
    if strategy == "time" and resampling.fits > resampling.folds:
        raise DatasetError("rows in the order of time are divided into folds in one way only; use repeats: 1")
    if strategy != "time":
        _check_fold_count(dataset, rows, resampling.folds, stratified=strategy == "stratified")
    splits: list[Split] = []
    for repeat in range(resampling.fits // resampling.folds):
        # A confirmation's folds differ from those of the search before it.
        fold_seed = [seed, repeat, int(resampling.nested)]
        for train, fold in _folds(dataset, rows, resampling.folds, fold_seed, strategy):
            outer = Split(train, fold, base.test)
            splits.append(_nest(dataset, outer, [seed, len(splits)], strategy) if resampling.nested else outer)
    if dataset.task != "regression":
        _check_classes(dataset, splits)
    return splits if strategy == "time" else _equalize(splits, np.random.default_rng([seed, len(splits)]))


def _folds(
    dataset: Dataset, rows: RowIndices, count: int, seed: list[int], strategy: SplitStrategy
) -> list[tuple[RowIndices, RowIndices]]:
    """Divide rows into folds: the training rows and the fold's own rows of each."""
    from sklearn.model_selection import KFold, StratifiedKFold

    random = np.random.RandomState(seed)
    if strategy == "time":
        return time_folds(dataset, rows, count)
    if strategy == "group":
        return group_folds(dataset, rows, count, random)
    splitter = (StratifiedKFold if strategy == "stratified" else KFold)(count, shuffle=True, random_state=random)
    return [(rows[train], rows[fold]) for train, fold in splitter.split(rows, dataset.y[rows])]


def _equalize(splits: list[Split], rng: np.random.Generator) -> list[Split]:
    """Leave out training rows so that all splits train on equally many."""
    smallest, largest = (extreme(len(split.train) for split in splits) for extreme in (min, max))
    if smallest < (1 - _MAX_LEFT_OUT) * largest and largest - smallest > 1:
        return splits  # folds of large groups differ: each size is trained by a program of its own
    return [replace(split, train=np.sort(rng.permutation(split.train)[:smallest])) for split in splits]


def _nest(dataset: Dataset, outer: Split, seed: list[int], strategy: SplitStrategy) -> Split:
    """Make the fold the test part, and a share of the training rows the validation part."""
    subject = "the training rows of a fold"
    random = np.random.RandomState(seed)
    train, stopping = _cut(dataset, outer.train, STOPPING_SHARE, random, strategy, subject)
    if dataset.task != "regression" and len(np.unique(dataset.y[stopping])) < len(np.unique(dataset.y[outer.train])):
        raise DatasetError(f"{subject} cannot be split: a class has too few rows to stand in each part")
    return Split(np.sort(train), np.sort(stopping), outer.validation)


def _check_fold_count(dataset: Dataset, rows: RowIndices, count: int, *, stratified: bool) -> None:
    """Raise DatasetError when some fold would have fewer than two rows, or none of a class."""
    most = len(rows) // 2
    if stratified:
        most = min(most, int(np.unique(dataset.y[rows], return_counts=True)[1].min()))
    if most < count:
        message = describe_too_many_folds(count, most)
        raise DatasetError(f"{message}, for every fold needs two rows and one of each class")


def _check_classes(dataset: Dataset, splits: list[Split]) -> None:
    """Raise DatasetError when a class has no training row in some fold: a model cannot learn it unseen."""
    for number, fold in enumerate(splits, 1):
        absent = np.setdiff1d(np.arange(len(dataset.class_names)), dataset.y[fold.train])
        if len(absent):
            unseen = _describe_unseen(number, dataset.class_names[absent[0]])
            raise DatasetError(f"{unseen}; use fewer folds, or another resampling.split")
