"""Compares other estimators that could decide: `python -m benchmarks.estimators FILE`, a file of real_tables --keep.

Each estimator is given the same values fold by fold and chooses by least expected regret; printed are the regret of its
choices and how often what it said with a probability held. The prior was learned on tables that are not held back.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.regret import BINS
from studies.analysis.prior import PRIOR

Array = npt.NDArray[np.float64]
#: From values by candidate and fold to mean and covariance of the logarithm of the loss.
Estimator = Callable[[Sequence[str], Array], tuple[Array, Array]]

_SHARE = 0.25  # rows of a fold to rows trained on
_DRAWS = 4000


def means(_: Sequence[str], values: Array) -> tuple[Array, Array]:
    """The mean over the folds, with the variance of Nadeau and Bengio."""
    mean = values.mean(axis=1)
    return np.log(mean), np.cov(values / mean[:, None]) * _width(values, 1)


def logarithms(_: Sequence[str], values: Array) -> tuple[Array, Array]:
    """The mean of the logarithms, against a few huge losses."""
    return np.log(values).mean(axis=1), np.cov(np.log(values)) * _width(values, 1)


def trimmed(_: Sequence[str], values: Array) -> tuple[Array, Array]:
    """The logarithms without the tenth of each candidate's folds that is lowest and the tenth that is highest."""
    from scipy.stats import trim_mean

    logs = np.log(values)
    low, high = np.quantile(logs, [0.1, 0.9], axis=1, keepdims=True)
    return trim_mean(logs, 0.1, axis=1), np.cov(np.clip(logs, low, high)) * _width(values, 1)


def wide(_: Sequence[str], values: Array) -> tuple[Array, Array]:
    """The logarithms, four times as wide in what folds share."""
    return np.log(values).mean(axis=1), np.cov(np.log(values)) * _width(values, 4)


def shrunk(times: float) -> Estimator:
    """The logarithms, drawn towards the usual effect of regularization."""

    def estimate(names: Sequence[str], values: Array) -> tuple[Array, Array]:
        mean, covariance = np.log(values).mean(axis=1), np.cov(np.log(values)) * _width(values, times)
        usual = np.array([PRIOR[name].mean for name in names])
        trust = np.diag([PRIOR[name].deviation ** 2 for name in names]) + 100.0
        gain = trust @ np.linalg.inv(trust + covariance)
        return usual + gain @ (mean - usual), trust - gain @ trust

    return estimate


def prior_alone(names: Sequence[str], _: Array) -> tuple[Array, Array]:
    """The usual effect of regularization, without the folds."""
    return np.array([PRIOR[name].mean for name in names]), np.diag([PRIOR[name].deviation ** 2 for name in names])


ESTIMATORS: Mapping[str, Estimator] = {
    "mean over the folds": means,
    "mean of the logarithms": logarithms,
    "trimmed mean of the logarithms": trimmed,
    "logarithms, four times as wide": wide,
    "logarithms with the prior": shrunk(1),
    "logarithms with the prior, four times as wide": shrunk(4),
    "the prior alone": prior_alone,
}


def main(path: Path) -> None:
    """Print a row an estimator."""
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    bins = ", ".join(f"{low}–{high}" for low, high in BINS)
    print(f"{len(cases)} cases\n\n| estimator | mean regret | worst | held of what was said with {bins} |")
    print("|---|---|---|---|")
    for name, estimator in ESTIMATORS.items():
        judged = [_judged(case, estimator) for case in cases]
        regrets = [regret for regret, _ in judged]
        said = [statement for _, statements in judged for statement in statements]
        shares = [np.mean([right for p, right in said if low <= p <= high]) for low, high in BINS]
        print(f"| {name} | {np.mean(regrets):.1%} | {np.max(regrets):.0%} | {', '.join(f'{s:.2f}' for s in shares)} |")


def _judged(case: Mapping[str, Any], estimator: Estimator) -> tuple[float, list[tuple[float, bool]]]:
    """The regret of an estimator's choice; its probability of being better than each other candidate, and if it is."""
    rows = [row for row in case["result"]["techniques"] if not row["raced_out"]]
    names: list[str] = [row["technique"] for row in rows]
    losses: Mapping[str, float] = case["losses"]
    common = sorted(set.intersection(*(set(row["folds"]) for row in rows)))
    values = np.array([[row["folds"][fold] for fold in common] for row in rows])
    mean, covariance = estimator(names, values)
    draws = np.random.default_rng(0).multivariate_normal(mean, covariance, _DRAWS, method="eigh")
    best = int((draws - draws.min(axis=1, keepdims=True)).mean(axis=0).argmin())
    said = [
        (float(np.mean(draws[:, best] < draws[:, other])), losses[names[best]] < losses[names[other]])
        for other in range(len(names))
        if other != best
    ]
    regret = losses[names[best]] / min(losses.values()) - 1
    return regret, [(p, right) if p >= 0.5 else (1 - p, not right) for p, right in said]


def _width(values: Array, times: float) -> float:
    return 1 / len(values[0]) + times * _SHARE


if __name__ == "__main__":
    main(Path(sys.argv[1]))
