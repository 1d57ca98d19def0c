"""The fits that a comparison judges by: each candidate's trainings on the same folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fit:
    """One training of a candidate's best params."""

    metrics: Mapping[str, float | None]
    weights: Mapping[str, float]
    epochs: float
    features: Sequence[int] = ()  # columns with a nonzero weight, the largest norm first
    seconds: float | None = None  # of training, without compiling; None where it was not measured


@dataclass(frozen=True, slots=True)
class Fits:
    """All fits of one candidate: a technique, or a cocktail of their parts."""

    technique: str
    params: Mapping[str, Any] | None  # the best of its search; None when none was confirmed
    folds: Mapping[int, Fit]  # by fold, numbered through all repeats, the same for every candidate
    test: Fit | None  # trained once more and measured on the test part
    seconds: float | None  # mean wall time of its search's trials, which compiled and ran beside others
    raced_out: bool = False  # it had surely lost before all folds were trained


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows that a comparison trained on and judged by."""

    fold: int  # validation rows of a fold
    train: int  # training rows of a fold
    test: int
