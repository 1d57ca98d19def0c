"""The studies that benchmarks run."""

from __future__ import annotations

from typing import Any

_SPACE = {
    "regularizer": ["none", "l1", "l2", "elastic_net"],
    "lambda": {"low": 1e-6, "high": 1e-1, "log": True},
    "l1_ratio": {"low": 0.1, "high": 0.9},
    "dropout": {"low": 0.0, "high": 0.5},
    "patience": {"low": 5, "high": 20},
}


def _study(dataset: dict[str, Any], model: dict[str, Any], epochs: int, batch_size: int = 32) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "model": model,
        "space": _SPACE | {"batch_size": batch_size, "learning_rate": 1e-3},
        "budget": {"epochs": epochs},
    }


WORKLOADS: dict[str, dict[str, Any]] = {
    "small table": _study(
        {"kind": "synthetic", "name": "few_informative", "rows": 2000, "features": 40}, {"kind": "mlp"}, 60
    ),
    "breast_cancer": _study({"kind": "builtin", "name": "breast_cancer"}, {"kind": "mlp"}, 60),
    "digits images": _study({"kind": "builtin", "name": "digits_images"}, {"kind": "cnn", "filters": [16, 16]}, 20),
    "wide": _study(
        {"kind": "synthetic", "name": "few_informative", "rows": 20_000, "features": 100},
        {"kind": "mlp", "hidden_units": [512, 512]},
        10,
        256,
    ),
    "diabetes": _study({"kind": "builtin", "name": "diabetes"}, {"kind": "mlp"}, 60),
}


def document(workload: str, trials: int, name: str = "bench", seed: int = 0) -> dict[str, Any]:
    """The study of a workload with a budget of trials."""
    plain = WORKLOADS[workload]
    return {"name": name, **plain, "budget": plain["budget"] | {"trials": trials}, "seed": seed}
