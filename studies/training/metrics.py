"""The metrics of predictions on a part of the data, beside its loss."""

from __future__ import annotations

import numpy as np

from studies.array import Array
from studies.objectives import Task


def task_metrics(task: Task, y: Array, predicted: Array, target_deviation: float) -> dict[str, float]:
    """Accuracy, balanced accuracy and AUC of classes, or MAE (in the target's unit) and R² of a regression.

    `predicted` are probabilities of shape (rows, 1) or (rows, classes), or standardised targets of shape (rows, 1).
    AUC is NaN where a class is missing from `y`.
    """
    columns = metrics_by_lane(task, y, predicted[None], target_deviation)
    return {name: float(column[0]) for name, column in columns.items()}


def metrics_by_lane(task: Task, y: Array, predicted: Array, target_deviation: float) -> dict[str, Array]:
    """The metrics of `task_metrics` for predictions that stack lanes on their first axis; an array a metric.

    A lane whose predictions are not finite gets NaN.
    """
    if task == "regression":
        error = y - predicted
        squares = np.square(error).sum(axis=(1, 2))
        return {
            "mae": np.abs(error).mean(axis=(1, 2)) * target_deviation,
            "r2": 1 - squares / np.square(y - y.mean()).sum(),
        }
    hits = (predicted > 0.5) == (y > 0.5) if task == "binary" else predicted.argmax(axis=2) == y
    hits = hits.reshape(len(predicted), -1)
    return {
        "accuracy": hits.mean(axis=1),
        "balanced_accuracy": _recall_by_lane(y.ravel(), hits),
        "auc": _auc_by_lane(task, y, predicted),
    }


def _recall_by_lane(y: Array, hits: Array) -> Array:
    """Mean recall of the classes in `y`, as scikit-learn's balanced accuracy."""
    return np.asarray(np.mean([hits[:, y == label].mean(axis=1) for label in np.unique(y)], axis=0))


def _auc_by_lane(task: Task, y: Array, predicted: Array) -> Array:
    """AUC from rank sums (Hanley and McNeil, 1982), one-against-rest mean for classes; NaN where a class is missing."""
    from scipy.stats import rankdata

    positives = [y.ravel() > 0.5] if task == "binary" else [y == label for label in range(predicted.shape[2])]
    areas = np.empty((len(positives), len(predicted)))
    for area, positive, scores in zip(areas, positives, np.moveaxis(predicted, 2, 0), strict=True):
        ones, zeros = positive.sum(), (~positive).sum()
        if not ones or not zeros:
            return np.full(len(predicted), np.nan)
        ranks = rankdata(scores, axis=1)[:, positive].sum(axis=1)
        area[:] = (ranks - ones * (ones + 1) / 2) / (ones * zeros)
    return np.asarray(areas.mean(axis=0))
