"""What is measured on a part of the data beside its loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from studies.objectives import Task

Array = npt.NDArray[Any]


def task_metrics(task: Task, y: Array, predicted: Array, target_deviation: float) -> dict[str, float]:
    """Accuracy and AUC of classes, or MAE (in the target's unit) and R² of a regression.

    `predicted` are probabilities of shape (rows, 1) or (rows, classes), or standardised targets of shape (rows, 1).
    AUC is NaN where a class is missing from `y`.
    """
    if task == "regression":
        return {
            "mae": float(np.abs(y - predicted).mean()) * target_deviation,
            "r2": 1 - float(np.square(y - predicted).sum() / np.square(y - y.mean()).sum()),
        }
    hits = (predicted > 0.5) == (y > 0.5) if task == "binary" else predicted.argmax(axis=1) == y
    return {"accuracy": float(hits.mean()), "auc": _auc(task, y, predicted)}


def _auc(task: Task, y: Array, predicted: Array) -> float:
    from sklearn.metrics import roc_auc_score

    present = len(np.unique(y))
    if present < (2 if task == "binary" else predicted.shape[1]):
        return float("nan")
    if task == "binary":
        return float(roc_auc_score(y.ravel(), predicted.ravel()))
    # In float32 a row of softmax may miss 1 by more than scikit-learn allows.
    shares = predicted.astype(np.float64)
    return float(roc_auc_score(y, shares / shares.sum(axis=1, keepdims=True), multi_class="ovr"))
