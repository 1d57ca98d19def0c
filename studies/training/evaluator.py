"""Evaluates a Keras model on a part of the data, for the engine around keras.Model.fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from studies.datasets.preprocessing import Examples, PreparedData
from studies.training import weights
from studies.training.metrics import task_metrics
from studies.training.result import Job

_ROWS_A_PASS = 8192  # rows evaluated at once; bounds the memory of a pass over a large part


#: Inputs and targets -> the sum of the data loss, and the predictions.
LossAndPredictions = Callable[[Any, Any], tuple[Any, Any]]


def loss_and_predictions(model: keras.Model, rows: Examples) -> LossAndPredictions:
    """A model's function in inference mode, traced once for any number of rows such as these."""
    data_loss = keras.losses.get(model.loss)

    def call(x: Any, y: Any) -> tuple[Any, Any]:
        predicted = model(x, training=False)
        return tf.reduce_sum(data_loss(y, predicted)), predicted

    # Parts have different numbers of rows, and one trace serves all of them.
    signature = [tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in (rows.x, rows.y)]
    traced: LossAndPredictions = tf.function(call, input_signature=signature, autograph=False)
    return traced


class Evaluator:
    """Losses and metrics of a trial's model, in inference mode."""

    def __init__(self, model: keras.Model, function: LossAndPredictions, job: Job, data: PreparedData) -> None:
        self._data, self._loss_and_predictions = data, function
        self._regularization = job.hyperparameters.regularization
        variables = [weights.variables(layer) for layer in weights.regularized(model, job.spec.model)]
        self._kernels = [kernels for kernels, _ in variables]
        self._biases = [bias for _, biases in variables for bias in biases]

    def evaluate(self, part: Examples, prefix: str) -> dict[str, float]:
        """Data loss, penalised loss and task metrics on a part, each name behind the prefix."""
        total, predictions = 0.0, []
        for start in range(0, len(part.y), _ROWS_A_PASS):
            rows = slice(start, start + _ROWS_A_PASS)
            loss, predicted = self._loss_and_predictions(part.x[rows], part.y[rows])
            total += float(loss)
            predictions.append(predicted.numpy())
        mean = total / len(part.y)
        metrics = {"loss": mean, "penalized_loss": mean + self._penalty()}
        if math.isfinite(mean):  # no task metric is defined on NaN
            deviation = float(self._data.target_scaling.deviation)
            metrics |= task_metrics(self._data.task, part.y, np.concatenate(predictions), deviation)
        return {prefix + name: value for name, value in metrics.items()}

    def kernels(self) -> list[list[npt.NDArray[Any]]]:
        """The regularized kernels, by layer from the input on."""
        return [[np.asarray(kernel) for kernel in layer] for layer in self._kernels]

    def _penalty(self) -> float:
        reg = self._regularization
        of_kernels = sum(reg.layer(i).kernel.of(k) for i, layer in enumerate(self.kernels()) for k in layer)
        return of_kernels + sum(reg.bias.of(np.asarray(bias)) for bias in self._biases)
