"""The values of one trial, for training and as they are recorded."""

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
        """The values by name, None where the regularizer gives a value no effect.

        Where layers differ, each layer's values have names of their own.
        """
        reg = self.regularization
        params: dict[str, Any] = {}
        for prefix, layer in zip(layer_prefixes(len(reg.layers)), reg.layers, strict=True):
            params |= {prefix + name: value for name, value in _penalty_params(layer.kernel).items()}
            params[f"{prefix}l1_ratio"] = layer.kernel.l1_ratio if layer.kernel.kind == "elastic_net" else None
            params[f"{prefix}dropout"] = layer.dropout
        for name, penalty in (("bias", reg.bias), ("activity", reg.activity)):
            if penalty.kind != "none":
                params |= {f"{name}_{field}": value for field, value in _penalty_params(penalty).items()}
        return params | {
            "patience": self.patience,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
        }

    @classmethod
    def from_effective(cls, params: Mapping[str, Any], l1_mode: L1Mode) -> Self:
        """Read the values that `effective` gave; a value without effect is 0."""
        layers = sum(1 for _ in takewhile(params.__contains__, (f"layer{i}_regularizer" for i in count(1)))) or 1
        return cls(
            Regularization(
                tuple(
                    LayerRegularization(_read_penalty(params, prefix), float(params[f"{prefix}dropout"]))
                    for prefix in layer_prefixes(layers)
                ),
                bias=_read_penalty(params, "bias_"),
                activity=_read_penalty(params, "activity_"),
                l1_mode=l1_mode,
            ),
            patience=params["patience"],
            learning_rate=params["learning_rate"],
            batch_size=params["batch_size"],
        )


def layer_prefixes(layers: int) -> list[str]:
    """The prefix of the names of each layer's parameters; empty where all layers share them."""
    return [f"layer{i + 1}_" for i in range(layers)] if layers > 1 else [""]


def _penalty_params(penalty: Penalty) -> dict[str, Any]:
    return {"regularizer": penalty.kind, "lambda": None if penalty.kind == "none" else penalty.lambda_}


def _read_penalty(params: Mapping[str, Any], prefix: str) -> Penalty:
    kind = params.get(f"{prefix}regularizer", "none")
    return Penalty(kind, params.get(f"{prefix}lambda") or 0.0, params.get(f"{prefix}l1_ratio") or 0.0)
