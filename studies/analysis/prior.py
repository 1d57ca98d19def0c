"""The usual effect of regularization on the logarithm of the loss, known before a table's rows are looked at.

Learned on the benchmark's real tables that are not held back, of models of 240 rows each:
`python -m benchmarks.learn_prior benchmarks/prior_cases.jsonl` prints these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Belief(NamedTuple):
    """Mean and deviation of one candidate's log loss, against the median of all candidates."""

    mean: float
    deviation: float  # from table to table


PRIOR: Mapping[str, Belief] = {
    "none": Belief(+0.282, 0.257),
    "l1": Belief(-0.032, 0.048),
    "l2": Belief(-0.008, 0.030),
    "elastic_net": Belief(-0.039, 0.058),
    "dropout": Belief(+0.111, 0.174),
    "early_stopping": Belief(+0.063, 0.135),
    "combined": Belief(+0.008, 0.051),
    "dropout+early_stopping": Belief(+0.055, 0.095),
    "l1+dropout": Belief(+0.027, 0.089),
    "l1+early_stopping": Belief(-0.018, 0.041),
    "l1+dropout+early_stopping": Belief(+0.007, 0.055),
    "l2+dropout": Belief(+0.027, 0.089),
    "l2+early_stopping": Belief(-0.018, 0.041),
    "l2+dropout+early_stopping": Belief(+0.007, 0.055),
    "elastic_net+dropout": Belief(+0.027, 0.089),
    "elastic_net+early_stopping": Belief(-0.018, 0.041),
    "elastic_net+dropout+early_stopping": Belief(+0.007, 0.055),
}
