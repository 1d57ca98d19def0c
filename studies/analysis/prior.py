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
    "none": Belief(+0.294, 0.264),
    "l1": Belief(-0.033, 0.050),
    "l2": Belief(-0.010, 0.030),
    "elastic_net": Belief(-0.039, 0.060),
    "dropout": Belief(+0.118, 0.178),
    "early_stopping": Belief(+0.067, 0.140),
    "combined": Belief(+0.009, 0.052),
    "dropout+early_stopping": Belief(+0.059, 0.097),
    "l1+dropout": Belief(+0.029, 0.093),
    "l1+early_stopping": Belief(-0.018, 0.041),
    "l1+dropout+early_stopping": Belief(+0.007, 0.057),
    "l2+dropout": Belief(+0.029, 0.093),
    "l2+early_stopping": Belief(-0.018, 0.041),
    "l2+dropout+early_stopping": Belief(+0.007, 0.057),
    "elastic_net+dropout": Belief(+0.029, 0.093),
    "elastic_net+early_stopping": Belief(-0.018, 0.041),
    "elastic_net+dropout+early_stopping": Belief(+0.007, 0.057),
}
