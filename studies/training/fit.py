"""The plain engine: one trial, one keras.Model.fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from studies.datasets.preprocessing import Examples, PreparedData
from studies.errors import DivergedError
from studies.models import proximal
from studies.models.architecture import design, learning_rate_expression, optimizer_expression
from studies.training import weights
from studies.training.early_stopping import EarlyStopping, Watch
from studies.training.metrics import task_metrics
from studies.training.result import Job, OnEpoch, Trained, TrainingState, TrialResult, measured

_ENGINE = "fit"
_ROWS_A_PASS = 8192  # rows evaluated at once; bounds the memory of a pass over a large part


def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
    """Train one trial with keras.Model.fit and early stopping on the data loss.

    Raises DivergedError when a loss is no longer finite.
    """
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(job.seed)
    hyper = job.hyperparameters
    model = trained_model(job, data)
    model.optimizer.build(model.trainable_variables)
    course = _Course(job, data, _Judge(model, model.loss, job, data), on_epoch)
    begun = course.take_up(model)
    model.fit(
        data.train.x,
        data.train.y,
        sample_weight=_weights(job, data),
        batch_size=hyper.batch_size,
        epochs=job.most_epochs,
        initial_epoch=begun,
        callbacks=[course],
        verbose=0,
    )
    result = course.result()

    def save(path: Path) -> None:
        plain = plain_model(job, data)
        plain.set_weights(model.get_weights())
        write(plain, path)

    return Trained(result, save)


def trained_model(job: Job, data: PreparedData) -> keras.Model:
    """The Keras model as it is trained: the plain one, with a proximal step behind its optimizer where L1 needs one."""
    model = plain_model(job, data)
    weighted, proximal_step = _weights(job, data) is not None, job.hyperparameters.regularization.proximal
    if weighted or proximal_step:
        _compile(model, _proximal(model.optimizer) if proximal_step else model.optimizer, model.loss, weighted=weighted)
    return model


def _weights(job: Job, data: PreparedData) -> npt.NDArray[Any] | None:
    return data.train_weights(balanced=job.spec.training.class_weights == "balanced")


def _proximal(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The same optimizer with a proximal step."""
    return getattr(proximal, f"Proximal{type(optimizer).__name__}").from_config(optimizer.get_config())


def _compile(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: str, *, weighted: bool = False) -> None:
    model.compile(
        optimizer=optimizer,
        loss=loss,
        # The data loss; Keras' own `loss` holds the penalty too.
        metrics=None if weighted else [loss],
        weighted_metrics=[loss] if weighted else None,
        jit_compile=False,  # compiling costs more than it saves on models of this size
    )


def write(model: keras.Model, path: Path) -> None:
    """Write a plain model that was given a trial's weights."""
    # Keras cannot load a compiled model whose optimizer was never built.
    model.optimizer.build(model.trainable_variables)
    model.save(path)


def plain_model(job: Job, data: PreparedData) -> keras.Model:
    """The Keras model of one trial, as a user would have built and compiled it, with one of Keras' own optimizers."""
    hyper, training = job.hyperparameters, job.spec.training
    architecture = design(job.spec.model, data.input_shape, data.task, data.classes, hyper.regularization)
    steps = -(-len(data.train.y) // hyper.batch_size)
    rate = learning_rate_expression(training.schedule, hyper.learning_rate, steps, job.spec.budget.epochs * steps)
    model = architecture.build()
    _compile(model, optimizer_expression(training.optimizer, rate).evaluate(), architecture.loss)
    return model


class _Penalized:
    """The regularized weights of a model."""

    def __init__(self, model: keras.Model, job: Job) -> None:
        found = [weights.variables(layer) for layer in weights.regularized(model, job.spec.model)]
        self._kernels = [kernels for kernels, _ in found]
        self._biases = [bias for _, biases in found for bias in biases]
        self._regularization = job.hyperparameters.regularization

    def kernels(self) -> list[list[npt.NDArray[Any]]]:
        """The kernels of each layer from the input on."""
        return [[np.asarray(kernel) for kernel in layer] for layer in self._kernels]

    def penalty(self) -> float:
        """What the weights add to the loss."""
        reg = self._regularization
        of_kernels = sum(reg.layer(i).kernel.of(k) for i, layer in enumerate(self.kernels()) for k in layer)
        return of_kernels + sum(reg.bias.of(np.asarray(bias)) for bias in self._biases)


class _Judge:
    """Measures a model on a part of the data, in inference mode."""

    def __init__(self, model: keras.Model, loss: str, job: Job, data: PreparedData) -> None:
        self.model = model
        self._data = data
        self.penalized = _Penalized(model, job)
        data_loss = keras.losses.get(loss)

        def measure(x: Any, y: Any) -> Any:
            predicted = model(x, training=False)
            return tf.reduce_sum(data_loss(y, predicted)), predicted

        self._measure = tf.function(measure, reduce_retracing=True)

    def __call__(self, part: Examples, prefix: str) -> dict[str, float]:
        """Data loss, penalised loss and task metrics, each name behind the prefix."""
        total, predictions = 0.0, []
        for start in range(0, len(part.y), _ROWS_A_PASS):
            rows = slice(start, start + _ROWS_A_PASS)
            loss, predicted = self._measure(part.x[rows], part.y[rows])
            total += float(loss)
            predictions.append(predicted.numpy())
        loss = total / len(part.y)
        penalty = self.penalized.penalty()
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
        self._monitor = job.spec.early_stopping.monitor
        self._rule = EarlyStopping.of(job.spec, job.hyperparameters)
        self._restores = self._rule.restores_best(job.spec)
        self._most_epochs = job.most_epochs
        self._tells_features = weights.tells_features(job.spec.model, data.input_shape)
        self._measures_test, self._state = job.measures_test, job.state
        self._data, self._judge, self._on_epoch = data, judge, on_epoch
        self._watch = Watch()
        self._best_weights: list[npt.NDArray[Any]] | None = None
        self._epochs: list[dict[str, float]] = []

    def take_up(self, model: keras.Model) -> int:
        """Go on from the job's state, if it has one of this engine; the epochs that were trained.

        Seeded as it is, Keras shuffles the rows of every epoch alike, and its dropout's seeds are variables.
        """
        if self._state is None or self._state.engine != _ENGINE:
            return 0
        facts, arrays = self._state.facts, list(self._state.arrays)
        self._watch, self._epochs = Watch(**facts["watch"]), [dict(entry) for entry in facts["entries"]]
        for variable in (*model.variables, *model.optimizer.variables):
            variable.assign(arrays.pop(0))
        self._best_weights = arrays or None
        return len(self._epochs)

    def _state_now(self) -> TrainingState:
        variables = [*self.model.variables, *self.model.optimizer.variables]
        arrays = [np.asarray(variable) for variable in variables]
        return TrainingState(
            _ENGINE,
            {"watch": asdict(self._watch), "entries": list(self._epochs)},
            [*arrays, *(self._best_weights or [])],
        )

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
        self._watch = self._rule.watch(self._watch, epoch, entry[self._monitor])
        if self._restores and self._watch.best_epoch == epoch:
            self._best_weights = self.model.get_weights()
        ended = self._watch.stopped or len(self._epochs) == self._most_epochs
        if not self._on_epoch(epoch + 1, entry, None if ended else self._state_now) or ended:
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
        metrics = measured(self._judge(self._data.train, "train_"), self._judge(self._data.validation, "val_"))
        if self._measures_test:
            metrics |= self._judge(self._data.test(), "test_")
        kernels = self._judge.penalized.kernels()
        return TrialResult(
            metrics=metrics,
            weights=weights.summarize([kernel for layer in kernels for kernel in layer]),
            detail=weights.detail(kernels, features=self._tells_features),
            curve=curve,
            epochs=len(self._epochs),
            best_epoch=kept + 1,
            stopped_early=self._watch.stopped,
        )
