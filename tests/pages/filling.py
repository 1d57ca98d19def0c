"""Studies with trials that look like real ones, trained by a formula."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from math import exp, log10
from pathlib import Path
from typing import Any

import httpx

from service.storage.artifacts import Artifacts
from service.storage.store import Store
from service.worker.publishing import publish
from studies.datasets.preprocessing import PreparedData
from studies.regularization import Penalty
from studies.training.result import Job, OnEpoch, Trained
from tests.service.comparing import work
from tests.service.documents import document, trial_result, write_model

EPOCHS = 20
COMPARED: dict[str, Any] = {
    "techniques": ["none", "l1", "dropout"], "repeats": 2, "folds": 3, "trials_per_technique": 6,
    "cocktails": False, "racing": False, "deliver": "split",
}  # fmt: skip


def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """A loss with a valley at λ = 0.003, deepest for L1; a curve that falls towards it; zeros that grow with λ."""
    layer, noise = job.hyperparameters.regularization.layers[0], job.seed % 97 / 9700
    valley = _depth(layer.kernel) + 0.02 * (1 - abs(layer.dropout - 0.3))
    final = 0.42 - valley + noise + job.fold / 500
    curve: dict[str, list[float]] = {"epoch": [], "loss": [], "val_loss": []}
    for epoch in range(1, job.max_epochs + 1):
        val_loss = final + 0.5 * exp(-5 * epoch / job.max_epochs)
        curve["epoch"].append(float(epoch))
        curve["loss"].append(val_loss - 0.03 * epoch / job.max_epochs)
        curve["val_loss"].append(val_loss)
        metrics = {"loss": curve["loss"][-1], "val_loss": val_loss, "val_accuracy": 1 / (1 + val_loss)}
        if not on_epoch(epoch, metrics):
            break
    result = trial_result(final, len(curve["epoch"]))
    zeros = min(0.95, 8 * layer.kernel.l1**0.5)
    weights = {"count": 160, "nonzero": round(160 * (1 - zeros)), "zero_share": zeros, "l2_norm": 4.2, "max_abs": 0.9}
    test = {"test_loss": final + 0.01, "test_accuracy": 1 / (1 + final)} if job.measures_test else {}
    detail = {**result.detail, "layers": [weights, {**weights, "count": 40, "zero_share": zeros / 2}]}
    metrics = {**result.metrics, "val_loss": final, "val_accuracy": 1 / (1 + final), **test}
    return Trained(replace(result, metrics=metrics, weights=weights, detail=detail, curve=curve), write_model)


class Lasting:
    """Trains as `train` does, but one trial slowly, until it is let go."""

    def __init__(self, number: int) -> None:
        self._number, self.let_go = number, threading.Event()

    def __call__(self, job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        def tell(epoch: int, metrics: Mapping[str, float], state: Any = None, /) -> bool:
            if job.number == self._number:
                self.let_go.wait(0.05)
            return on_epoch(epoch, metrics, state)

        return train(job, data, tell)


def _depth(penalty: Penalty) -> float:
    if penalty.kind == "none" or not penalty.lambda_:
        return 0.0
    depth = {"l1": 0.12, "elastic_net": 0.1, "l2": 0.07}[penalty.kind]
    return depth * exp(-((log10(penalty.lambda_) + 2.5) ** 2))


def fill(api: httpx.Client, store: Store, folder: Path, name: str, trials: int = 24, **changes: Any) -> None:
    """Submit a study over REST, and run it and its comparison to their ends."""
    budget = {"trials": trials, "epochs": EPOCHS}
    api.post("/v1/studies", json=document(name, budget=budget, **changes)).raise_for_status()
    work(store, folder, train)
    if "comparison" in changes:
        publish(store, Artifacts(f"file://{folder}"), store.study(name))
