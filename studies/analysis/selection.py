"""Feature selection by stability over fits: one fit at the best λ is known to keep too many.

Meinshausen and Bühlmann, "Stability selection", Journal of the Royal Statistical Society B 72, 2010: a feature is
selected when it is in most of the models that are fitted to resampled data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from studies.analysis.results import Selection
from studies.spec import Technique

#: Techniques whose zeros are exact.
SELECTING: tuple[Technique, ...] = ("l1", "elastic_net")
THRESHOLD = 0.9


def select(technique: Technique, nonzero: Sequence[Sequence[int]], names: Sequence[str]) -> Selection:
    """The features with a nonzero weight in at least 90 % of the fits; `nonzero` lists their columns, fit by fit."""
    counts = Counter(column for columns in nonzero for column in columns)
    shares = {name: counts[column] / len(nonzero) for column, name in enumerate(names)}
    selected = [name for name, share in shares.items() if share >= THRESHOLD]
    return Selection(technique, shares, selected, THRESHOLD)
