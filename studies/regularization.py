"""What a trial tries: one kind of penalty, its strength, and a dropout rate."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Regularizer = Literal["none", "l1", "l2", "elastic_net"]
REGULARIZERS: tuple[Regularizer, ...] = get_args(Regularizer)


@dataclass(frozen=True, slots=True)
class Regularization:
    """The regularization of one trial, applied to every hidden layer.

    `lambda_` is the strength λ in Keras' convention: the penalty is added to the mean data loss of a batch, undivided.
    """

    kind: Regularizer
    lambda_: float  # λ ≥ 0; without effect when kind is "none"
    l1_ratio: float  # share of λ that goes to L1; only elastic net reads it
    dropout: float  # share of activations dropped after every hidden layer, in [0, 1)

    @property
    def l1(self) -> float:
        """λ1, the factor of Σ|w|."""
        return {"none": 0.0, "l1": self.lambda_, "l2": 0.0, "elastic_net": self.lambda_ * self.l1_ratio}[self.kind]

    @property
    def l2(self) -> float:
        """λ2, the factor of Σw² (no ½, as in Keras)."""
        return {"none": 0.0, "l1": 0.0, "l2": self.lambda_, "elastic_net": self.lambda_ * (1 - self.l1_ratio)}[
            self.kind
        ]

    def penalty(self, kernel: npt.NDArray[np.floating]) -> float:
        """λ1·Σ|w| + λ2·Σw² of one kernel."""
        return float(self.l1 * np.abs(kernel).sum() + self.l2 * np.square(kernel).sum())
