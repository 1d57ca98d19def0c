"""What is known of every candidate's loss on new rows, jointly, from losses on the same folds.

Losses are compared by their logarithm, for a technique that overfits has a few huge ones and differences grow with the
loss. Folds share training rows: the covariance over folds is widened as Nadeau and Bengio (2003) widen a variance, and
more, for the parameters were chosen on the same rows. Few rows say little, so losses start from what
regularization usually does, see prior.py. docs/comparison.md has what else was tried, and how much worse it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.analysis.prior import PRIOR

Array = npt.NDArray[np.float64]

_DRAWS = 4000
_SEED = 0
_CHOSEN = 4.0  # times the share of Nadeau and Bengio: what is compared was chosen on the rows that compare it
_LEVEL = 10.0  # prior deviation of the loss itself, as a logarithm: nothing is known of it


@dataclass(frozen=True)
class Posterior:
    """Draws of every candidate's value on new rows; less is better, whatever the objective's direction."""

    names: tuple[str, ...]
    draws: Array  # (draws, candidates), in the objective's unit times `sign`
    sign: int  # −1 where the objective is maximised

    def of(self, name: str) -> Array:
        """The draws of one candidate."""
        return np.asarray(self.draws[:, self.names.index(name)])

    def regret(self, name: str) -> float:
        """By how much a candidate is expected to be worse than the best."""
        return float(np.mean(self.of(name) - self.draws.min(axis=1)))

    def cost(self, name: str) -> float:
        """By how much the best is better on average, where it is another one; 0 where it never is."""
        behind = self.of(name) - self.draws.min(axis=1)
        return float(behind[behind > 0].mean()) if (behind > 0).any() else 0.0

    def probability_best(self, name: str) -> float:
        """That no other candidate is better."""
        return float(np.mean(self.draws.argmin(axis=1) == self.names.index(name)))

    def within(self, name: str, rope: float) -> float:
        """Probability that no candidate is better than this one by more than so much."""
        return float(np.mean(self.of(name) - self.draws.min(axis=1) <= rope))

    def probabilities(self, first: str, second: str, rope: float) -> tuple[float, float, float]:
        """Probability that the first is better by more than so much, that neither is, that the second is."""
        difference = self.of(first) - self.of(second)
        return (
            float(np.mean(difference < -rope)),
            float(np.mean(np.abs(difference) <= rope)),
            float(np.mean(difference > rope)),
        )

    def better(self, first: str, second: str) -> float:
        """Probability that the second is better than the first at all; a half where they are the same."""
        difference = self.of(first) - self.of(second)
        return float(np.mean(difference > 0) + np.mean(difference == 0) / 2)


def posterior(
    values: Mapping[str, Mapping[int, float]],
    test_to_train: float,
    *,
    minimizes: bool,
    folds_a_repeat: int | None = None,
) -> Posterior:
    """From the values of each candidate by fold; `test_to_train` is the share of a fold's rows to those trained on.

    What one model of each candidate gives, or, where the folds of a repeat are counted, what its models give on
    average: what differs between repeats, which judge on the same rows, is the luck of single trainings.
    """
    names = tuple(values)
    sign = 1 if minimizes else -1
    logarithmic = minimizes and all(value > 0 for of_folds in values.values() for value in of_folds.values())
    table, counts = _table(values, logarithmic=logarithmic)
    folds = table.shape[1]
    times = _CHOSEN if folds_a_repeat is None else 1 - _luck(table, folds_a_repeat)
    width = np.sqrt(1 / counts + times * test_to_train)
    seen = np.atleast_2d(np.cov(table)) * (_students_variance(folds - 1) * np.outer(width, width))
    mean, covariance = sign * table.mean(axis=1), seen
    if logarithmic:
        mean, covariance = _with_prior(names, mean, covariance)
    draws = np.random.default_rng(_SEED).multivariate_normal(
        mean, covariance, _DRAWS, method="eigh", check_valid="ignore"
    )
    return Posterior(names, np.exp(draws) if logarithmic else draws, sign)


def _table(values: Mapping[str, Mapping[int, float]], *, logarithmic: bool) -> tuple[Array, Array]:
    """A row a candidate and a column a fold, and how many folds each has; what was raced out stands as far from the
    others on the folds it lacks as on those it has.
    """
    folds = sorted(set().union(*values.values()))
    table = np.full((len(values), len(folds)), np.nan)
    for row, of_folds in enumerate(values.values()):
        for column, fold in enumerate(folds):
            if fold in of_folds:
                table[row, column] = np.log(of_folds[fold]) if logarithmic else of_folds[fold]
    there = ~np.isnan(table)
    whole = there.all(axis=1)
    center = table[whole].mean(axis=0)
    away = np.nanmean(table - center, axis=1, keepdims=True)
    table = np.where(there, table, center + away)
    return table, there.sum(axis=1)


def _luck(table: Array, folds: int) -> float:
    """The share of the variance over folds that single trainings have: 1 where repeats differ as much as folds do."""
    repeats = table.shape[1] // folds
    if repeats < 2:
        return 0.0
    apart = (table - table.mean(axis=0))[:, : repeats * folds].reshape(len(table), repeats, folds)
    of_repeats = apart.mean(axis=2, keepdims=True)
    within = np.square(apart - of_repeats).sum() / (repeats * (folds - 1))
    between = folds * np.square(of_repeats - apart.mean(axis=(1, 2), keepdims=True)).sum() / (repeats - 1)
    return float(np.clip(between / within, 0, 1)) if within > 0 else 0.0


def _with_prior(names: Sequence[str], mean: Array, covariance: Array) -> tuple[Array, Array]:
    """Mean and covariance of the posterior, where both the prior and what was seen are normal."""
    beliefs = [PRIOR[name] for name in names if name in PRIOR]
    if len(beliefs) < len(names):
        return mean, covariance
    usual = np.array([belief.mean for belief in beliefs])
    trust = np.diag([belief.deviation**2 for belief in beliefs]) + _LEVEL**2
    gain = np.linalg.solve(trust + covariance, trust).T
    return usual + gain @ (mean - usual), trust - gain @ trust


def _students_variance(degrees: int) -> float:
    """By how much the covariance of few folds is too small; above 3 as large as Student's t has it."""
    return degrees / (degrees - 2) if degrees > 3 else 3.0
