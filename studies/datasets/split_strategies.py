"""Ways of dividing rows that know more of them than their class: by group, and in the order of time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from studies.datasets.catalog import Dataset
from studies.errors import DatasetError
from studies.spec.resampling import SplitStrategy

Rows = npt.NDArray[np.int64]


def resolved(division: SplitStrategy, dataset: Dataset) -> SplitStrategy:
    """What `auto` stands for; DatasetError when the dataset cannot be divided as is asked for."""
    if division == "auto":
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
    }.get(division)
    if lacking:
        raise DatasetError(f"the rows cannot be divided by resampling.split: {division}, for {lacking}")
    return division


def by_group(dataset: Dataset, rows: Rows, share: float, seed: int | np.random.RandomState) -> tuple[Rows, Rows]:
    """Rows in two, the second with about a share of them; no group is in both."""
    count = round(1 / share)
    return group_folds(dataset, rows, count, seed, f"the groups cannot be divided into shares of 1 to {count - 1}")[0]


def group_folds(
    dataset: Dataset, rows: Rows, count: int, seed: int | np.random.RandomState, refusal: str = ""
) -> list[tuple[Rows, Rows]]:
    """Folds of whole groups, of about as many rows and with about each class' share of them."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    assert dataset.groups is not None  # noqa: S101  # `resolved`
    groups = dataset.groups[rows]
    there = len(np.unique(groups))
    if there < count:
        refusal = refusal or f"the rows beside the test part cannot be divided into {count} folds by group"
        raise DatasetError(f"{refusal}: they are of {there} group{'s' if there > 1 else ''}")
    kind = GroupKFold if dataset.task == "regression" else StratifiedGroupKFold
    try:
        found = list(kind(count, shuffle=True, random_state=seed).split(rows, dataset.y[rows], groups))
    except ValueError as error:
        raise DatasetError(f"the rows cannot be divided by group: {error}") from error
    if not all(len(fold) for _, fold in found):
        raise DatasetError("the rows cannot be divided by group: a few groups have nearly all rows")
    return [(rows[train], rows[fold]) for train, fold in found]


def by_time(dataset: Dataset, rows: Rows, share: float) -> tuple[Rows, Rows]:
    """Rows in two, the second with about the latest share of them; rows of the same time stand together."""
    ordered = in_time(dataset, rows)
    border = _border(dataset, ordered, len(rows) - round(share * len(rows)))
    return ordered[:border], ordered[border:]


def time_folds(dataset: Dataset, rows: Rows, count: int) -> list[tuple[Rows, Rows]]:
    """Folds one after the other, each with all rows before it to train on."""
    ordered = in_time(dataset, rows)
    borders = [_border(dataset, ordered, round(len(rows) * i / (count + 1))) for i in range(1, count + 1)]
    borders.append(len(rows))
    if any(one >= next_one for one, next_one in pairwise(borders)):
        times = len(np.unique(_times(dataset)[rows]))
        raise DatasetError(
            f"the rows beside the test part cannot be divided into {count} folds in the order of time: they are of "
            f"{times} times, and rows of the same time stand together; use fewer folds"
        )
    return [(ordered[:begin], ordered[begin:end]) for begin, end in pairwise(borders)]


def in_time(dataset: Dataset, rows: Rows) -> Rows:
    """Rows in the order of time, those of the same time as they stand in the file."""
    return rows[np.argsort(_times(dataset)[rows], kind="stable")]


def _border(dataset: Dataset, ordered: Rows, at: int) -> int:
    """The place near one at which the time changes."""
    times = _times(dataset)[ordered]
    at = min(max(at, 1), len(ordered) - 1)
    before, behind = (int(np.searchsorted(times, times[at], side)) for side in ("left", "right"))
    nearest = before if before and (at - before <= behind - at or behind == len(ordered)) else behind
    if not 0 < nearest < len(ordered):
        raise DatasetError("the rows cannot be divided in the order of time: nearly all are of the same time")
    return nearest


def _times(dataset: Dataset) -> npt.NDArray[np.generic]:
    assert dataset.times is not None  # noqa: S101  # `resolved`
    return dataset.times
