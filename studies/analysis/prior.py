"""What regularization usually does, by the logarithm of the loss, before a table's own rows are looked at.

Learned on the real tables of the benchmark that are not held back, at 240 training rows: `benchmarks.learn_prior`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Belief(NamedTuple):
    """Of one candidate, against the middle of all."""

    mean: float
    deviation: float  # from table to table


PRIOR: Mapping[str, Belief] = {
    "none": Belief(+0.306, 0.280),
    "l1": Belief(-0.036, 0.049),
    "l2": Belief(-0.011, 0.028),
    "elastic_net": Belief(-0.042, 0.065),
    "dropout": Belief(+0.127, 0.190),
    "early_stopping": Belief(+0.050, 0.100),
    "combined": Belief(+0.014, 0.054),
    "dropout+early_stopping": Belief(+0.044, 0.067),
    "l1+dropout": Belief(+0.034, 0.100),
    "l1+early_stopping": Belief(-0.016, 0.042),
    "l1+dropout+early_stopping": Belief(+0.014, 0.061),
    "l2+dropout": Belief(+0.034, 0.100),
    "l2+early_stopping": Belief(-0.016, 0.042),
    "l2+dropout+early_stopping": Belief(+0.014, 0.061),
    "elastic_net+dropout": Belief(+0.034, 0.100),
    "elastic_net+early_stopping": Belief(-0.016, 0.042),
    "elastic_net+dropout+early_stopping": Belief(+0.014, 0.061),
}
