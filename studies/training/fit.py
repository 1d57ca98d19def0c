"""The plain engine: one trial, one keras.Model.fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from studies.datasets.preprocessing import Part, PreparedData
from studies.errors import DivergedError
from studies.models.architecture import design, learning_rate_expression, optimizer_expression
from studies.objectives import OBJECTIVES
from studies.training import weights
from studies.training.early_stopping import EarlyStopping, Watch
from studies.training.metrics import task_metrics
from studies.training.result import Job, OnEpoch, Trained, TrialResult

_ROWS_A_PASS = 8192  # rows evaluated at once; bounds the memory of a pass over a large part


def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """Train one trial with keras.Model.fit and early stopping on the data loss.

    Raises DivergedError when a loss is no longer finite.
    """
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(job.seed)
    hyper = job.hyperparameters
    model = plain_model(job, data)
    course = _Course(job, data, _Judge(model, model.loss, job, data), on_epoch)
    model.fit(
        data.train.x,
        data.train.y,
        batch_size=hyper.batch_size,
        epochs=job.spec.budget.epochs,
        callbacks=[course],
        verbose=0,
    )
    return Trained(course.result(), model.save)


def plain_model(job: Job, data: PreparedData) -> keras.Model:
    """The plain Keras model of one trial, as a user would have built and compiled it."""
    hyper, training = job.hyperparameters, job.spec.training
    architecture = design(job.spec.model, data.input_shape, data.task, data.classes, hyper.regularization)
    steps = -(-len(data.train.y) // hyper.batch_size)
    rate = learning_rate_expression(training.schedule, hyper.learning_rate, steps, job.spec.budget.epochs * steps)
    model = keras.Sequential([layer.evaluate() for layer in architecture.layers])
    model.compile(
        optimizer=optimizer_expression(training.optimizer, rate).evaluate(),
        loss=architecture.loss,
        metrics=[architecture.loss],  # the data loss; Keras' own `loss` holds the penalty too
        jit_compile=False,  # compiling costs more than it saves on models of this size
    )
    return model


def kernels(model: keras.Model) -> list[npt.NDArray[Any]]:
    """The regularized kernels: every hidden one, or the output's when it is the only one."""
    found = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    return [np.asarray(kernel) for kernel in (found[:-1] or found)]


class _Judge:
    """Measures a model on a part of the data, in inference mode."""

    def __init__(self, model: keras.Model, loss: str, job: Job, data: PreparedData) -> None:
        self.model = model
        self._data = data
        self._regularization = job.hyperparameters.regularization
        data_loss = keras.losses.get(loss)

        def measure(x: Any, y: Any) -> Any:
            predicted = model(x, training=False)
            return tf.reduce_sum(data_loss(y, predicted)), predicted

        self._measure = tf.function(measure, reduce_retracing=True)

    def __call__(self, part: Part, prefix: str) -> dict[str, float]:
        """Data loss, penalised loss and task metrics, each name behind the prefix."""
        total, predictions = 0.0, []
        for start in range(0, len(part.y), _ROWS_A_PASS):
            rows = slice(start, start + _ROWS_A_PASS)
            loss, predicted = self._measure(part.x[rows], part.y[rows])
            total += float(loss)
            predictions.append(predicted.numpy())
        loss = total / len(part.y)
        penalty = sum(self._regularization.penalty(kernel) for kernel in kernels(self.model))
        deviation = float(self._data.target_scaling.deviation)
        found = {"loss": loss, "penalized_loss": loss + penalty}
        if not math.isfinite(loss):
            return {prefix + name: value for name, value in found.items()}  # no metric is defined on NaN
        found |= task_metrics(self._data.task, part.y, np.concatenate(predictions), deviation)
        return {prefix + name: value for name, value in found.items()}


class _Course(keras.callbacks.Callback):  # type: ignore[misc]  # Keras carries no types
    """Follows a training epoch by epoch: measures, watches, reports, stops, and keeps the best weights."""

    def __init__(self, job: Job, data: PreparedData, judge: _Judge, on_epoch: OnEpoch) -> None:
        super().__init__()
        spec = job.spec
        self._stopping = spec.early_stopping
        self._rule = EarlyStopping(
            patience=job.hyperparameters.patience,
            min_delta=self._stopping.min_delta,
            start_from_epoch=self._stopping.start_from_epoch,
            direction=OBJECTIVES[self._stopping.monitor].direction,
        )
        self._data, self._judge, self._on_epoch = data, judge, on_epoch
        self._watch = Watch()
        self._best_weights: list[npt.NDArray[Any]] | None = None
        self._epochs: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Called by Keras with the epoch counted from 0."""
        running = dict(logs or {})
        penalized = running.pop("loss")
        entry = {"loss": next(iter(running.values())), "penalized_loss": penalized}
        entry |= self._judge(self._data.validation, "val_")
        for name in ("penalized_loss", "val_loss"):
            if not math.isfinite(entry[name]):
                raise DivergedError.of(name, entry[name], epoch + 1)
        self._epochs.append(entry)
        self._watch = self._rule.watch(self._watch, epoch, entry[self._stopping.monitor])
        if self._stopping.restore_best_weights and self._watch.best_epoch == epoch:
            self._best_weights = self.model.get_weights()
        if not self._on_epoch(epoch + 1, entry) or self._watch.stopped:
            self.model.stop_training = True

    def result(self) -> TrialResult:
        """What the training gave, measured on the weights that are kept."""
        last = len(self._epochs) - 1
        kept = last
        if self._best_weights is not None and self._watch.best_epoch is not None:
            kept = self._watch.best_epoch
            self.model.set_weights(self._best_weights)
        curve: dict[str, list[float]] = {"epoch": [float(i + 1) for i in range(len(self._epochs))]}
        curve |= {name: [entry[name] for entry in self._epochs] for name in self._epochs[0]}
        return TrialResult(
            metrics=self._judge(self._data.train, "train_") | self._judge(self._data.validation, "val_"),
            weights=weights.summarize(kernels(self.model)),
            curve=curve,
            epochs=len(self._epochs),
            best_epoch=kept + 1,
            stopped_early=self._watch.stopped,
        )
