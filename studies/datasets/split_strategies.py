"""Divide rows by group or in the order of time, and choose the strategy of a split."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from studies.datasets.catalog import Dataset
from studies.errors import DatasetError
from studies.spec.resampling import SplitStrategy

RowIndices = npt.NDArray[np.int64]


def resolve(strategy: SplitStrategy, dataset: Dataset) -> SplitStrategy:
    """Replace `auto` by the strategy that fits the dataset's columns.

    Raises DatasetError when the dataset lacks the column or the classes that the strategy needs.
    """
    if strategy == "auto":
        if dataset.times is not None and dataset.groups is not None:
            raise DatasetError(
                "the dataset has a time and a group column; say with resampling.split which one divides it"
            )
        if dataset.times is not None:
            return "time"
        if dataset.groups is not None:
            return "group"
        return "random" if dataset.task == "regression" else "stratified"
    lacking = {
        "group": dataset.groups is None and "the dataset has no group column",
        "time": dataset.times is None and "the dataset has no time column",
        "stratified": dataset.task == "regression" and "a regression has no classes",
    }.get(strategy)
    if lacking:
        raise DatasetError(f"the rows cannot be divided by resampling.split: {strategy}, for {lacking}")
    return strategy


def cut_by_group(
    dataset: Dataset, rows: RowIndices, share: float, seed: int | np.random.RandomState
) -> tuple[RowIndices, RowIndices]:
    """Cut rows in two, the second with about `share` of them; no group is on both sides."""
    count = round(1 / share)
    refusal = f"the groups cannot be divided into shares of 1 to {count - 1}"
    return group_folds(dataset, rows, count, seed, refusal)[0]


def group_folds(
    dataset: Dataset, rows: RowIndices, count: int, seed: int | np.random.RandomState, refusal: str = ""
) -> list[tuple[RowIndices, RowIndices]]:
    """Divide rows into folds of whole groups, about equal in size and in each class's share.

    Raises DatasetError when there are fewer groups than folds, or a few groups have nearly all rows.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    assert dataset.groups is not None  # noqa: S101  # `resolve`
    groups = dataset.groups[rows]
    group_count = len(np.unique(groups))
    if group_count < count:
        refusal = refusal or f"the rows beside the test part cannot be divided into {count} folds by group"
        raise DatasetError(f"{refusal}: they are of {group_count} group{'s' if group_count > 1 else ''}")
    splitter = GroupKFold if dataset.task == "regression" else StratifiedGroupKFold
    try:
        folds = list(splitter(count, shuffle=True, random_state=seed).split(rows, dataset.y[rows], groups))
    except ValueError as error:
        raise DatasetError(f"the rows cannot be divided by group: {error}") from error
    if not all(len(fold) for _, fold in folds):
        raise DatasetError("the rows cannot be divided by group: a few groups have nearly all rows")
    return [(rows[train], rows[fold]) for train, fold in folds]


def cut_by_time(dataset: Dataset, rows: RowIndices, share: float) -> tuple[RowIndices, RowIndices]:
    """Cut rows in two, the second with about the latest `share` of them; rows of one time stay together."""
    ordered = order_by_time(dataset, rows)
    border = later_share(_times(dataset)[ordered], share)
    return ordered[:border], ordered[border:]


def later_share(times: npt.NDArray[np.generic], share: float) -> int:
    """Return the index at which about the latest `share` of sorted times begins.

    Raises DatasetError when nearly all times are the same.
    """
    return _nearest_border(times, len(times) - round(share * len(times)))


def time_folds(dataset: Dataset, rows: RowIndices, count: int) -> list[tuple[RowIndices, RowIndices]]:
    """Divide rows into consecutive folds, each with all earlier rows to train on.

    Raises DatasetError when the rows are of too few times.
    """
    ordered = order_by_time(dataset, rows)
    borders = fold_borders(_times(dataset)[ordered], count)
    return [(ordered[:begin], ordered[begin:end]) for begin, end in pairwise(borders)]


def fold_borders(times: npt.NDArray[np.generic], count: int) -> list[int]:
    """Return the indices at which folds of sorted times begin, and the end of the last.

    Raises DatasetError when there are too few times.
    """
    borders = [_nearest_border(times, round(len(times) * i / (count + 1))) for i in range(1, count + 1)]
    borders.append(len(times))
    if any(begin >= end for begin, end in pairwise(borders)):
        raise DatasetError(
            f"the rows beside the test part cannot be divided into {count} folds in the order of time: they are of "
            f"{len(np.unique(times))} times, and rows of the same time stand together; use fewer folds"
        )
    return borders


def order_by_time(dataset: Dataset, rows: RowIndices) -> RowIndices:
    """Sort rows by time; rows of the same time keep the file's order."""
    return rows[np.argsort(_times(dataset)[rows], kind="stable")]


def _nearest_border(times: npt.NDArray[np.generic], index: int) -> int:
    """Return the index nearest to `index` at which the time changes."""
    index = min(max(index, 1), len(times) - 1)
    first, end = (int(np.searchsorted(times, times[index], side)) for side in ("left", "right"))
    nearest = first if first and (index - first <= end - index or end == len(times)) else end
    if not 0 < nearest < len(times):
        raise DatasetError("the rows cannot be divided in the order of time: nearly all are of the same time")
    return nearest


def _times(dataset: Dataset) -> npt.NDArray[np.generic]:
    assert dataset.times is not None  # noqa: S101  # `resolve`
    return dataset.times
