"""Tests and intervals for the folds of repeated cross-validation.

The folds share training rows, so their results are correlated and the plain t-test detects differences that are none.
Nadeau and Bengio ("Inference for the Generalization Error", Machine Learning 52, 2003) add the share of test to
training rows to the variance of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of correlated fold results, as Student's t: location, scale, degrees of freedom."""

    mean: float
    error: float  # standard error by Nadeau and Bengio
    degrees: int

    @classmethod
    def of(cls, values: Sequence[float], test_to_train: float) -> Estimate:
        """Estimate from one value a fold, at least two; `test_to_train`: a fold's rows to its training rows."""
        spread = variance(values)
        return cls(fmean(values), sqrt(spread * (1 / len(values) + test_to_train)), len(values) - 1)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The confidence interval of the mean."""
        from scipy.stats import t

        half = float(t.ppf((1 + confidence) / 2, self.degrees)) * self.error
        return self.mean - half, self.mean + half

    def p_value(self) -> float:
        """The p-value of the two-sided test that the mean is 0."""
        from scipy.stats import t

        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * t.sf(abs(self.mean) / self.error, self.degrees))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being several tests: Holm, "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics 6, 1979.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
