"""The joint posterior of every candidate's loss on new rows, from losses on the same folds.

Losses are compared by their logarithm, for a technique that overfits has a few huge ones and differences grow with the
loss. Folds share training rows: the covariance over folds is widened as Nadeau and Bengio (2003) widen a variance, and
further, for the params were chosen on the same rows. Few rows say little, so losses start from the usual effect of
regularization, see prior.py. A draw that would leave the objective's range is put on its end. docs/comparison.md names
the estimators that were tried beside it, and how much worse they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.analysis.prior import PRIOR
from studies.analysis.results import Interval
from studies.objectives import OBJECTIVES, ObjectiveName, cost_sign

Array = npt.NDArray[np.float64]

_DRAWS = 4000
_SEED = 0
_CHOSEN_ON_THE_SAME_ROWS = 4.0  # factor on the share of Nadeau and Bengio: the rows that compare also chose the params
_LEVEL_DEVIATION = 10.0  # prior deviation of the log loss itself: nothing is known of it


@dataclass(frozen=True)
class Posterior:
    """Draws of every candidate's value on new rows; less is better, whatever the objective's direction."""

    names: tuple[str, ...]
    draws: Array  # (draws, candidates), in the objective's unit times `sign`
    sign: int  # −1 where the objective is maximised

    def of(self, name: str) -> Array:
        """The draws of one candidate, (draws,)."""
        return np.asarray(self.draws[:, self.names.index(name)])

    def regret(self, name: str) -> float:
        """The expected loss of a candidate over that of the best."""
        return float(np.mean(self._behind(name)))

    def cost(self, name: str) -> float:
        """The mean loss over that of the best in the draws where another candidate is best; 0 where none ever is."""
        behind = self._behind(name)
        return float(behind[behind > 0].mean()) if (behind > 0).any() else 0.0

    def probability_best(self, name: str) -> float:
        """Probability that no other candidate is better; candidates that are best together share it."""
        best = self.draws == self.draws.min(axis=1, keepdims=True)
        return float(np.mean(best[:, self.names.index(name)] / best.sum(axis=1)))

    def probability_within(self, name: str, rope: float) -> float:
        """Probability that no candidate is better than this one by more than `rope`."""
        return float(np.mean(self._behind(name) <= rope))

    def probabilities(self, first: str, second: str, rope: float) -> tuple[float, float, float]:
        """Probabilities that the first is better by more than `rope`, that neither is, that the second is."""
        difference = self.of(first) - self.of(second)
        return (
            float(np.mean(difference < -rope)),
            float(np.mean(np.abs(difference) <= rope)),
            float(np.mean(difference > rope)),
        )

    def probability_better(self, name: str, *, than: str) -> float:
        """Probability that one candidate is better than another at all; a half where they are the same."""
        difference = self.of(than) - self.of(name)
        return float(np.mean(difference > 0) + np.mean(difference == 0) / 2)

    def _behind(self, name: str) -> Array:
        return np.asarray(self.of(name) - self.draws.min(axis=1))


def interval(draws: Array) -> Interval:
    """The mean and the middle 95 % of draws."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(draws.mean()), float(low), float(high))


def estimate_posterior(
    values: Mapping[str, Mapping[int, float]],
    test_to_train: float,
    *,
    objective: ObjectiveName,
    folds_per_repeat: int | None = None,
) -> Posterior:
    """Estimate the posterior from each candidate's values by fold; `test_to_train`: a fold's rows to its training rows.

    It is of the loss of one model of each candidate; with `folds_per_repeat` of the mean loss of its models: repeats
    judge on the same rows, so differences between them are the luck of single trainings.
    """
    names, quantity = tuple(values), OBJECTIVES[objective]
    sign = cost_sign(quantity.direction)
    logarithmic = sign == 1 and all(value > 0 for by_fold in values.values() for value in by_fold.values())
    table, counts = _table(values, logarithmic=logarithmic)
    folds = table.shape[1]
    factor = _CHOSEN_ON_THE_SAME_ROWS if folds_per_repeat is None else 1 - _luck_share(table, folds_per_repeat)
    width = np.sqrt(1 / counts + factor * test_to_train)
    covariance = np.atleast_2d(np.cov(table)) * (_student_variance(folds - 1) * np.outer(width, width))
    mean = sign * table.mean(axis=1)
    if logarithmic:
        mean, covariance = _with_prior(names, mean, covariance)
    draws = np.random.default_rng(_SEED).multivariate_normal(
        mean, covariance, _DRAWS, method="eigh", check_valid="ignore"
    )
    drawn = np.exp(draws) if logarithmic else sign * draws
    return Posterior(names, sign * np.clip(drawn, quantity.low, quantity.high), sign)


def _table(values: Mapping[str, Mapping[int, float]], *, logarithmic: bool) -> tuple[Array, Array]:
    """Values as (candidates, folds), and each candidate's number of folds.

    A candidate that was raced out is put as far from the others on the folds it lacks as on the folds it has.
    """
    folds = sorted(set().union(*values.values()))
    table = np.full((len(values), len(folds)), np.nan)
    for row, by_fold in enumerate(values.values()):
        for column, fold in enumerate(folds):
            if fold in by_fold:
                table[row, column] = np.log(by_fold[fold]) if logarithmic else by_fold[fold]
    present = ~np.isnan(table)
    center = table[present.all(axis=1)].mean(axis=0)
    distance = np.nanmean(table - center, axis=1, keepdims=True)
    return np.where(present, table, center + distance), present.sum(axis=1)


def _luck_share(table: Array, folds: int) -> float:
    """The share of the variance over folds due to single trainings: 1 where repeats differ as much as folds do."""
    repeats = table.shape[1] // folds
    if repeats < 2:
        return 0.0
    deviations = (table - table.mean(axis=0))[:, : repeats * folds].reshape(len(table), repeats, folds)
    repeat_means = deviations.mean(axis=2, keepdims=True)
    within = np.square(deviations - repeat_means).sum() / (repeats * (folds - 1))
    between = folds * np.square(repeat_means - deviations.mean(axis=(1, 2), keepdims=True)).sum() / (repeats - 1)
    return float(np.clip(between / within, 0, 1)) if within > 0 else 0.0


def _with_prior(names: Sequence[str], mean: Array, covariance: Array) -> tuple[Array, Array]:
    """Combine the prior with the measured mean and covariance, both normal; return the posterior's."""
    beliefs = [PRIOR[name] for name in names if name in PRIOR]
    if len(beliefs) < len(names):
        return mean, covariance
    prior_mean = np.array([belief.mean for belief in beliefs])
    prior_covariance = np.diag([belief.deviation**2 for belief in beliefs]) + _LEVEL_DEVIATION**2
    gain = np.linalg.solve(prior_covariance + covariance, prior_covariance).T
    return prior_mean + gain @ (mean - prior_mean), prior_covariance - gain @ prior_covariance


def _student_variance(degrees: int) -> float:
    """The variance of Student's t, by which the covariance of few folds is too small; 3 for 3 degrees and fewer."""
    return degrees / (degrees - 2) if degrees > 3 else 3.0
