"""The metrics of trainings in lanes: of every epoch, and of the weights that a training keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from studies.datasets.preprocessing import Examples, PreparedData
from studies.training.lane_arrays import Epochs
from studies.training.metrics import metrics_by_lane
from studies.training.program import Program
from studies.training.result import Job
from studies.training.step import ModelValues

_ROWS_A_PASS = 1 << 16  # rows evaluated at once; bounds the memory of a large part's activations


class LaneMetrics:
    """Computes the metrics of the trainings of one program on some folds."""

    def __init__(self, program: Program, folds: Mapping[int, PreparedData]) -> None:
        self._program, self._folds = program, folds

    def entries(self, epochs: Epochs, count: int, fold_of: Mapping[int, int]) -> list[list[dict[str, float]]]:
        """The metrics of a call of so many epochs, by epoch and lane; `fold_of` has the fold of each busy lane."""
        results = epochs.data_loss, epochs.penalty, epochs.validation_loss, epochs.predictions
        loss, penalty, validation, predictions = (array.numpy()[:count] for array in results)
        columns = {
            "loss": loss,
            "penalized_loss": loss + penalty,
            "val_loss": validation,
            "val_penalized_loss": validation + penalty,
        } | self._validation_metrics(predictions, fold_of)
        rows = np.stack(list(columns.values()), axis=-1).astype(float).tolist()
        return [[dict(zip(columns, row, strict=True)) for row in lanes] for lanes in rows]

    def _validation_metrics(self, predictions: Any, fold_of: Mapping[int, int]) -> dict[str, Any]:
        """The task's metrics, by epoch and lane, each lane's on its own fold; those of empty lanes mean nothing."""
        lanes_of: dict[int, list[int]] = {}
        for lane, fold in fold_of.items():
            lanes_of.setdefault(fold, []).append(lane)
        metrics: dict[str, Any] = {}
        for fold, lanes in lanes_of.items():
            data = self._folds[fold]
            of_fold = predictions[:, lanes, : len(data.validation.y)]
            by_name = _task_metrics(data, data.validation, of_fold.reshape(-1, *of_fold.shape[2:]))
            for name, column in by_name.items():
                full = metrics.setdefault(f"val_{name}", np.zeros(predictions.shape[:2]))
                full[:, lanes] = column.reshape(len(predictions), len(lanes))
        return metrics

    def evaluate(self, values: ModelValues, job: Job, part: Examples, prefix: str) -> dict[str, float]:
        """Losses and metrics of one model on a part of its fold, each name behind the prefix."""
        starts = range(0, len(part.y), _ROWS_A_PASS)
        passes = [slice(start, start + _ROWS_A_PASS) for start in starts]
        evaluated = [self._program.evaluate(values, part.x[rows], part.y[rows]) for rows in passes]
        predictions = np.concatenate([predicted.numpy() for _, predicted in evaluated])
        mean = sum(float(loss) for loss, _ in evaluated) / len(part.y)
        metrics = {"loss": mean, "penalized_loss": mean + self._penalty(values, job)}
        by_name = _task_metrics(self._folds[job.fold], part, predictions[None])
        metrics |= {name: float(column[0]) for name, column in by_name.items()}
        return {prefix + name: value for name, value in metrics.items()}

    def _penalty(self, values: ModelValues, job: Job) -> float:
        reg, update = job.hyperparameters.regularization, self._program.update
        of_kernels = sum(reg.layer(i).kernel.of(values.weights[p]) for p, i in update.kernels.items())
        return of_kernels + sum(reg.bias.of(values.weights[p]) for p in update.biases)


def _task_metrics(data: PreparedData, part: Examples, predictions: Any) -> dict[str, Any]:
    return metrics_by_lane(data.task, part.y, predictions, float(data.target_scaling.deviation))
