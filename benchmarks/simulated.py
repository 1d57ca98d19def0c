"""Checks probabilities where the truth is known: `python -m benchmarks.simulated [--draws N]`.

Small data sets are drawn, and learners that regularize more and less are measured on 5 × 5 folds; what the posterior
says of the best and each other one is held against their losses on 20,000 further rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RepeatedKFold

from benchmarks.regret import calibration
from studies.analysis.posterior import estimate_posterior

Array = npt.NDArray[np.float64]
#: Fits training rows, and gives the loss of every row of others.
Learner = Callable[[Array, Array, Array, Array], Array]

ROWS, COLUMNS, NEW = 150, 20, 20_000
FOLDS, REPEATS = 5, 5


def main() -> None:
    """Print how often what was said with a probability held, over classifications and regressions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100)
    arguments = parser.parse_args()
    statements: list[tuple[float, bool]] = []
    for kind, learners in (("classification", _logistic()), ("regression", _ridge())):
        for draw in range(arguments.draws):
            statements += _statements(np.random.default_rng([draw, len(kind)]), kind, learners)
    print(f"{arguments.draws} classifications and as many regressions of {ROWS} rows")
    print("\n".join(calibration(statements)))


def _statements(rng: np.random.Generator, kind: str, learners: Mapping[str, Learner]) -> list[tuple[float, bool]]:
    """The probability that the best learner beats each other one on a data set, and if it does on new rows."""
    weights = rng.normal(size=COLUMNS) * (rng.random(COLUMNS) < rng.uniform(0.1, 1))
    x, y = _drawn(rng, kind, ROWS, weights)
    new_x, new_y = _drawn(rng, kind, NEW, weights)
    folds = list(RepeatedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=int(rng.integers(2**31))).split(x))
    values = {
        name: {i: float(learn(x[a], y[a], x[b], y[b]).mean()) for i, (a, b) in enumerate(folds)}
        for name, learn in learners.items()
    }
    truth = {name: float(learn(x, y, new_x, new_y).mean()) for name, learn in learners.items()}
    known = estimate_posterior(values, 1 / (FOLDS - 1), objective="val_loss")
    best = min(learners, key=known.regret)
    said = [
        (known.probability_better(best, than=other), truth[best] < truth[other]) for other in learners if other != best
    ]
    return [(p, right) if p >= 0.5 else (1 - p, not right) for p, right in said]


def _drawn(rng: np.random.Generator, kind: str, rows: int, weights: Array) -> tuple[Array, Array]:
    x = rng.normal(size=(rows, COLUMNS))
    signal = x @ weights + rng.standard_t(4, size=rows)
    return x, (signal > 0).astype(np.float64) if kind == "classification" else signal


def _logistic() -> dict[str, Learner]:
    def learner(c: float) -> Learner:
        def learn(x: Array, y: Array, new_x: Array, new_y: Array) -> Array:
            model = LogisticRegression(C=c, solver="newton-cholesky").fit(x, y)
            p = np.clip(model.predict_proba(new_x)[:, 1], 1e-7, 1 - 1e-7)
            return np.asarray(-np.where(new_y > 0, np.log(p), np.log1p(-p)))

        return learn

    return {f"C={c:g}": learner(c) for c in (100, 3, 0.3, 0.1, 0.03)}


def _ridge() -> dict[str, Learner]:
    def learner(alpha: float) -> Learner:
        def learn(x: Array, y: Array, new_x: Array, new_y: Array) -> Array:
            return np.asarray((Ridge(alpha).fit(x, y).predict(new_x) - new_y) ** 2)

        return learn

    return {f"alpha={alpha:g}": learner(alpha) for alpha in (0.01, 3, 10, 30, 100)}


if __name__ == "__main__":
    main()
