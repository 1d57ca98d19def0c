"""The regularization of a trial: for each hidden layer a penalty on its kernel and a dropout rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np
import numpy.typing as npt

Regularizer = Literal["none", "l1", "l2", "elastic_net"]
REGULARIZERS: tuple[Regularizer, ...] = get_args(Regularizer)
L1Mode = Literal["proximal", "penalty"]


@dataclass(frozen=True, slots=True)
class Penalty:
    """λ1·Σ|w| + λ2·Σw², in Keras' convention: added to the mean data loss of a batch, undivided."""

    kind: Regularizer = "none"
    lambda_: float = 0.0  # λ ≥ 0; no effect when kind is "none"
    l1_ratio: float = 0.0  # share of λ that goes to L1; only elastic net reads it

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

    def of(self, weights: npt.NDArray[np.floating]) -> float:
        """The penalty of an array of weights."""
        return float(self.l1 * np.abs(weights).sum() + self.l2 * np.square(weights).sum())


@dataclass(frozen=True, slots=True)
class LayerRegularization:
    """The regularization of one hidden layer."""

    kernel: Penalty
    dropout: float  # share of activations dropped after the layer while training, in [0, 1)


@dataclass(frozen=True, slots=True)
class Regularization:
    """The regularization of one trial."""

    layers: tuple[LayerRegularization, ...]  # by hidden layer from the input on; a single one is all layers'
    bias: Penalty = Penalty()  # of every hidden layer's bias
    activity: Penalty = Penalty()  # of every hidden layer's output: the sum over a batch, divided by its rows
    l1_mode: L1Mode = "proximal"  # how L1 acts on kernels; "penalty" is Keras' own

    @property
    def proximal(self) -> bool:
        """True when L1 acts on a kernel by soft-thresholding and not through the gradient."""
        return self.l1_mode == "proximal" and any(layer.kernel.l1 > 0 for layer in self.layers)

    @classmethod
    def shared(cls, kind: Regularizer, lambda_: float, l1_ratio: float, dropout: float) -> Self:
        """Give every hidden layer the same."""
        return cls((LayerRegularization(Penalty(kind, lambda_, l1_ratio), dropout),))

    def layer(self, index: int) -> LayerRegularization:
        """The regularization of a hidden layer, counted from 0 at the input."""
        return self.layers[index if len(self.layers) > 1 else 0]
