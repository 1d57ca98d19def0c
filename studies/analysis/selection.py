"""Selects features by their stability over fits: one fit at the best λ is known to keep too many.

Meinshausen and Bühlmann, "Stability selection", Journal of the Royal Statistical Society B 72, 2010: of each model
fitted to resampled data take the q features with the largest weights; select the features that nearly all models agree
on. Their theorem 1 bounds the expected number of wrong features among p by q² / ((2·threshold − 1)·p).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isqrt

from studies.analysis.results import Selection
from studies.spec.comparison import Technique

#: Techniques whose zeros are exact.
SELECTING: tuple[Technique, ...] = ("l1", "elastic_net")
THRESHOLD = 0.9  # share of the fits
_MAX_WRONG = 1  # features expected to be selected wrongly


def select(technique: str, fits: Sequence[Sequence[int]], names: Sequence[str]) -> Selection:
    """Select features; `fits` lists each fit's columns with a nonzero weight, the largest norm first."""
    most = max(1, isqrt(int((2 * THRESHOLD - 1) * _MAX_WRONG * len(names))))
    nonzero, among_most = _shares(fits, names), _shares([columns[:most] for columns in fits], names)
    selected = [name for name, share in among_most.items() if share >= THRESHOLD]
    return Selection(technique, selected, among_most, nonzero, most, THRESHOLD)


def _shares(fits: Sequence[Sequence[int]], names: Sequence[str]) -> dict[str, float]:
    """The share of the fits that list each feature."""
    counts = Counter(column for columns in fits for column in columns)
    return {name: counts[column] / len(fits) for column, name in enumerate(names)}
