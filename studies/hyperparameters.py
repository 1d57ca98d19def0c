"""The values of one trial, as training takes them and as they are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, Self

from studies.regularization import L1Mode, LayerRegularization, Penalty, Regularization


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Everything a trial varies."""

    regularization: Regularization
    patience: int | None  # epochs; None: no early stopping
    learning_rate: float
    batch_size: int  # rows

    def effective(self) -> dict[str, Any]:
        """The values by name, null where the regularizer gives a value no effect; each layer's under its own names
        where they differ by layer.
        """
        reg = self.regularization
        found: dict[str, Any] = {}
        for prefix, layer in zip(layer_prefixes(len(reg.layers)), reg.layers, strict=True):
            found |= {prefix + name: value for name, value in _penalty(layer.kernel).items()}
            found[f"{prefix}l1_ratio"] = layer.kernel.l1_ratio if layer.kernel.kind == "elastic_net" else None
            found[f"{prefix}dropout"] = layer.dropout
        for name, penalty in (("bias", reg.bias), ("activity", reg.activity)):
            if penalty.kind != "none":
                found |= {f"{name}_{key}": value for key, value in _penalty(penalty).items()}
        return found | {
            "patience": self.patience,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
        }

    @classmethod
    def from_effective(cls, params: Mapping[str, Any], l1_mode: L1Mode) -> Self:
        """The hyperparameters that `effective` names; what has no effect is 0."""
        layers = sum(1 for _ in takewhile(params.__contains__, (f"layer{i}_regularizer" for i in count(1)))) or 1
        return cls(
            Regularization(
                tuple(
                    LayerRegularization(_read(params, prefix), float(params[f"{prefix}dropout"]))
                    for prefix in layer_prefixes(layers)
                ),
                bias=_read(params, "bias_"),
                activity=_read(params, "activity_"),
                l1_mode=l1_mode,
            ),
            patience=params["patience"],
            learning_rate=params["learning_rate"],
            batch_size=params["batch_size"],
        )


def layer_prefixes(layers: int) -> list[str]:
    """What stands before the names of each layer's own parameters; nothing where all layers share them."""
    return [f"layer{i + 1}_" for i in range(layers)] if layers > 1 else [""]


def _penalty(penalty: Penalty) -> dict[str, Any]:
    return {"regularizer": penalty.kind, "lambda": None if penalty.kind == "none" else penalty.lambda_}


def _read(params: Mapping[str, Any], prefix: str) -> Penalty:
    kind = params.get(f"{prefix}regularizer", "none")
    return Penalty(kind, params.get(f"{prefix}lambda") or 0.0, params.get(f"{prefix}l1_ratio") or 0.0)
