"""The densities of TPE are those of Optuna's own estimator, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

from studies.search.parzen import ParzenEstimator

DEFAULTS = _ParzenEstimatorParameters(
    prior_weight=1.0, consider_magic_clip=True, consider_endpoints=False, weights=default_weights, multivariate=True
)
ONE = {"rate": FloatDistribution(0.0, 0.5)}
TWO = {"rate": FloatDistribution(0.0, 0.5), "strength": FloatDistribution(1e-6, 0.1, log=True)}
ALL_KINDS: dict[str, BaseDistribution] = {
    "kind": CategoricalDistribution(("none", "l1", "l2")),
    "patience": IntDistribution(5, 20),
    "rate": FloatDistribution(0.0, 0.5),
    "ratio": FloatDistribution(0.1, 0.9),
    "rows": IntDistribution(8, 128, log=True),
    "step": FloatDistribution(0.0, 1.0, step=0.25),
    "strength": FloatDistribution(1e-6, 0.1, log=True),
}
CHOICES = {"kind": CategoricalDistribution(("none", "l1", "l2")), "rate": CategoricalDistribution((0.0, 0.3))}
MANY = {f"rate {number}": FloatDistribution(0.0, 0.5) for number in range(12)}  # from 167 kernels on, erf is another
SPACES = {"one": ONE, "two": TWO, "all kinds": ALL_KINDS, "choices": CHOICES, "many": MANY}


def drawn(distribution: BaseDistribution, rng: np.random.Generator, ends: float) -> float:
    """A value as Optuna holds it; a share of them are the range's ends."""
    if isinstance(distribution, CategoricalDistribution):
        return int(rng.integers(len(distribution.choices)))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if rng.random() < ends:
        return float(rng.choice([distribution.low, distribution.high]))
    low, high = float(distribution.low), float(distribution.high)
    value = np.exp(rng.uniform(np.log(low), np.log(high))) if distribution.log else rng.uniform(low, high)
    step = distribution.step
    return float(low + round((value - low) / step) * step if step is not None else value)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 24, 25, 26, 120, 270, 271])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_samples_and_densities_are_optunas(space: dict[str, BaseDistribution], count: int) -> None:
    rng = np.random.default_rng(count)
    ends = 0.02 * (count % 2)
    rows = [tuple(drawn(distribution, rng, ends) for distribution in space.values()) for _ in range(count)]
    rows = [rows[rng.integers(index)] if index and rng.random() < 0.1 else row for index, row in enumerate(rows)]
    ours = ParzenEstimator(rows, space)
    columns = {name: np.asarray([row[index] for row in rows]) for index, name in enumerate(space)}
    theirs = _ParzenEstimator(columns, space, DEFAULTS)
    sampled = ours.sample(np.random.RandomState(count), 24)
    expected = theirs.sample(np.random.RandomState(count), 24)
    assert np.array_equal(sampled, np.stack(list(expected.values()), axis=1))
    assert np.array_equal(ours.log_pdf(sampled), theirs.log_pdf(expected))
