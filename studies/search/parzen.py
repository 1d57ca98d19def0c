"""The densities of Optuna's TPE, bit for bit, in fewer steps: most of an ask's time is theirs.

Every number is made by the operation that makes it in optuna.samplers._tpe, in the same order of sums. Arrays hold all
params at once, steps that change nothing for values within their range are left out, and what Optuna computes for
each value of a category again is looked up. A test compares the params asked with Optuna's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe import probability_distributions as optunas
from optuna.samplers._tpe.sampler import default_weights

from studies.array import Array

_MANY = 2000  # values, from which on Optuna takes another approximation of erf


class ParzenEstimator:
    """A mixture with a kernel for each of some params, and one for the prior."""

    def __init__(self, observations: Sequence[tuple[float, ...]], space: Mapping[str, BaseDistribution]) -> None:
        kernels = len(observations) + 1
        weights = np.append(default_weights(len(observations)), [1.0])
        self._weights = weights / weights.sum()
        observed = np.array(observations).reshape(len(observations), len(space)).T
        is_category = [isinstance(distribution, CategoricalDistribution) for distribution in space.values()]
        numbers: Any = [
            distribution for distribution in space.values() if not isinstance(distribution, CategoricalDistribution)
        ]
        self._mus, self._sigmas = _kernels(observed[np.logical_not(is_category)], numbers)
        numeric = iter(zip(numbers, self._mus, self._sigmas, strict=True))
        self._distributions = [
            _category(column, kernels, len(cast("Any", distribution).choices))
            if isinstance(distribution, CategoricalDistribution)
            else _number(*next(numeric))
            for column, distribution in zip(observed, space.values(), strict=True)
        ]
        self._mixture = optunas._MixtureOfProductDistribution(self._weights, self._distributions)

    def sample(self, rng: np.random.RandomState, count: int) -> Array:
        """Draw params, a row each."""
        return self._mixture.sample(rng, count)

    def log_pdf(self, params: Array) -> Array:
        """The log density at each row of params."""
        columns = np.ascontiguousarray(params.T)
        density = np.zeros((len(params), len(self._weights)))
        continuous = []
        row = 0
        for column, distribution in zip(columns, self._distributions, strict=True):
            if isinstance(distribution, optunas._BatchedCategoricalDistributions):
                density += np.log(distribution.weights).T[column.astype(np.int64)]
                continue
            if distribution.step:
                _add_discrete(density, column, distribution)
            else:
                continuous.append((row, np.log(column) if distribution.is_log else column, distribution))
            row += 1
        if continuous:
            rows, values, distributions = zip(*continuous, strict=True)
            lows = np.array([distribution.adapted_low for distribution in distributions])[:, np.newaxis]
            highs = np.array([distribution.adapted_high for distribution in distributions])[:, np.newaxis]
            points = np.array(values)
            if (points < lows).any() or (points > highs).any():  # by rounding; Optuna says which have no density
                return self._mixture.log_pdf(np.ascontiguousarray(columns).T)
            chosen = list(rows)
            density += _continuous(points, self._mus[chosen], self._sigmas[chosen], lows, highs)
        density += np.log(self._weights[np.newaxis])
        highest = density.max(axis=1)
        highest[np.isneginf(highest)] = 0
        with np.errstate(divide="ignore"):
            return cast("Array", np.log(np.exp(density - highest[:, np.newaxis]).sum(axis=1)) + highest)


def _kernels(observed: Array, distributions: Sequence[Any]) -> tuple[Array, Array]:
    """The means and deviations of the kernels of each numeric param, the prior's last."""
    half_steps = [0 if d.step is None else d.step / 2 for d in distributions]
    lows = [d.low - half for d, half in zip(distributions, half_steps, strict=True)]
    highs = [d.high + half for d, half in zip(distributions, half_steps, strict=True)]
    low = np.array([[np.log(end) if d.log else end] for d, end in zip(distributions, lows, strict=True)], dtype=float)
    high = np.array([[np.log(end) if d.log else end] for d, end in zip(distributions, highs, strict=True)], dtype=float)
    low, high = low.reshape(-1, 1), high.reshape(-1, 1)
    means = np.array(observed, dtype=float)
    for mean, distribution in zip(means, distributions, strict=True):
        if distribution.log:
            mean[:] = np.log(mean)
    order = np.argsort(means, axis=1)
    count = means.shape[1]
    ends = np.empty((len(means), count + 2))
    ends[:, :1], ends[:, -1:] = low, high
    ends[:, 1:-1] = np.take_along_axis(means, order, axis=1)
    gaps = ends[:, 1:] - ends[:, :-1]
    widest = np.maximum(gaps[:, :-1], gaps[:, 1:])
    if count > 1:
        widest[:, 0], widest[:, -1] = gaps[:, 1], gaps[:, -2]
    deviations = np.empty_like(means)
    np.put_along_axis(deviations, order, widest, axis=1)
    whole = high - low
    deviations = np.clip(deviations, whole / min(100.0, 1.0 + (count + 1)), whole)
    return np.hstack([means, 0.5 * (low + high)]), np.hstack([deviations, whole])


def _category(observed: Array, kernels: int, choices: int) -> Any:
    weights = np.full((kernels, choices), 1.0 / kernels)
    weights[np.arange(kernels - 1), observed.astype(int)] += 1
    weights /= weights.sum(axis=1, keepdims=True)
    return optunas._BatchedCategoricalDistributions(weights)


def _number(distribution: Any, means: Array, deviations: Array) -> Any:
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is None:
        kind = optunas._BatchedTruncLogNormDistributions if distribution.log else optunas._BatchedTruncNormDistributions
        return kind(means, deviations, low, high)
    if distribution.log:
        return optunas._BatchedDiscreteTruncLogNormDistributions(means, deviations, low, high, step)
    return optunas._BatchedDiscreteTruncNormDistributions(means, deviations, low, high, step)


def _add_discrete(density: Array, column: Array, distribution: Any) -> None:
    """Add the log mass of each value's step, as _MixtureOfProductDistribution.log_pdf does."""
    half, is_log = distribution.step / 2, distribution.is_log
    values, of_value = np.unique(column, return_inverse=True)
    means, deviations, of_kernel = optunas._unique_inverse_2d(distribution.mu, distribution.sigma)
    left = np.log(values - half) if is_log else values - half
    right = np.log(values + half) if is_log else values + half
    mass = optunas._log_gauss_mass_unique(
        (left[:, np.newaxis] - means) / deviations, (right[:, np.newaxis] - means) / deviations
    )
    density += mass[of_value[:, np.newaxis], of_kernel]
    whole = _truncnorm._log_gauss_mass(
        (distribution.adapted_low - means) / deviations, (distribution.adapted_high - means) / deviations
    )
    density -= whole[of_kernel]


def _continuous(points: Array, means: Array, deviations: Array, lows: Array, highs: Array) -> Array:
    """The sum over params of the log densities of points under truncated normal kernels."""
    mass = _log_gauss_mass((lows - means) / deviations, (highs - means) / deviations)
    density = points[:, :, np.newaxis] - means[:, np.newaxis]
    density /= deviations[:, np.newaxis]
    np.square(density, out=density)
    density *= -0.5
    density -= _truncnorm._norm_pdf_logC
    density -= mass[:, np.newaxis]
    density -= np.log(deviations)[:, np.newaxis]
    # In the order in which NumPy sums the last axis of an array.
    if len(density) == 1:
        return cast("Array", density[0])
    if len(density) == 2:
        return cast("Array", density[0] + density[1])
    return cast("Array", np.ascontiguousarray(np.moveaxis(density, 0, -1)).sum(axis=-1))


def _log_gauss_mass(low: Array, high: Array) -> Array:
    """The log mass of the standard normal between bounds; fast where every kernel's mean lies between its bounds."""
    if low.size >= _MANY or (high <= 0).any() or (low > 0).any():
        return _truncnorm._log_gauss_mass(low, high)
    mass: Array = np.log1p(-_ndtr(low) - _ndtr(-high))
    return mass


def _ndtr(bounds: Array) -> Array:
    errors: Array = np.array([math.erf(bound) for bound in (bounds / 2**0.5).ravel().tolist()])
    return 0.5 + 0.5 * errors.reshape(bounds.shape)
