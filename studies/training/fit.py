"""The engine around keras.Model.fit: trains one trial at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from studies.datasets.preprocessing import PreparedData
from studies.spec.training import EngineName
from studies.training.evaluator import Evaluator
from studies.training.fit_model import FitModels
from studies.training.progress import TrainingProgress
from studies.training.result import Job, OnEpoch, Trained, TrainingState, TrialResult, all_metrics
from studies.training.trial_model import save_trial_model

_ENGINE: EngineName = "fit"


def train(job: Job, data: PreparedData, on_epoch: OnEpoch, models: FitModels | None = None) -> Trained:
    """Train one trial with keras.Model.fit and early stopping on the data loss, in one of the kept models.

    Raises DivergedError when a loss is no longer finite.
    """
    weights = data.train_weights(balanced=job.spec.training.class_weights == "balanced")
    fit_model = (models or FitModels()).of(job, data, weighted=weights is not None)
    plain = fit_model.begin(job, data)
    model = fit_model.model
    callback = _FitCallback(job, data, Evaluator(model, fit_model.evaluate, job, data), on_epoch)
    model.fit(
        data.train.x,
        data.train.y,
        sample_weight=weights,
        batch_size=job.hyperparameters.batch_size,
        epochs=job.max_epochs,
        initial_epoch=callback.resume(model),
        callbacks=[callback],
        verbose=0,
    )
    result = callback.result()
    # The next trial trains in the same model.
    plain.set_weights(model.get_weights())
    return Trained(result, partial(save_trial_model, plain, job, data))


class _FitCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras carries no types
    """Evaluates each epoch, records and reports it, stops the training, and keeps the best weights."""

    def __init__(self, job: Job, data: PreparedData, evaluator: Evaluator, on_epoch: OnEpoch) -> None:
        super().__init__()
        self._job, self._data, self._evaluator, self._on_epoch = job, data, evaluator, on_epoch
        self._progress = TrainingProgress(job)
        self._best_weights: list[npt.NDArray[Any]] | None = None
        self._epoch_began = 0.0
        self._compiled = False  # whether an epoch has ended, so that the next one compiles nothing

    def resume(self, model: keras.Model) -> int:
        """Continue from the job's state, if this engine wrote it; return the number of epochs trained before.

        Seeded as it is, Keras shuffles the rows of every epoch alike, and its dropout's seeds are variables.
        """
        state = self._job.state
        if state is None or state.engine != _ENGINE:
            return 0
        self._progress.resume(state.facts)
        arrays = list(state.arrays)
        for variable in (*model.variables, *model.optimizer.variables):
            variable.assign(arrays.pop(0))
        self._best_weights = arrays or None
        return len(self._progress.entries)

    def _state(self) -> TrainingState:
        variables = [*self.model.variables, *self.model.optimizer.variables]
        arrays = [np.asarray(variable) for variable in variables]
        return TrainingState(_ENGINE, self._progress.facts(), [*arrays, *(self._best_weights or [])])

    def on_epoch_begin(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Begin to measure an epoch."""
        self._epoch_began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Record an epoch; Keras counts it from 0."""
        running = dict(logs or {})
        penalized = running.pop("loss")
        entry = {"loss": next(iter(running.values())), "penalized_loss": penalized}
        entry |= self._evaluator.evaluate(self._data.validation, "val_")
        self._progress.record(entry, time.perf_counter() - self._epoch_began if self._compiled else None)
        self._compiled = True
        if self._progress.is_best:
            self._best_weights = self.model.get_weights()
        ended = self._progress.ended
        if not self._on_epoch(epoch + 1, entry, None if ended else self._state) or ended:
            self.model.stop_training = True

    def result(self) -> TrialResult:
        """Restore the best weights where early stopping does; return the result of the training on the kept ones."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
        evaluate = self._evaluator.evaluate
        metrics = all_metrics(evaluate(self._data.train, "train_"), evaluate(self._data.validation, "val_"))
        if self._job.measures_test:
            metrics |= evaluate(self._data.test(), "test_")
        return self._progress.result(metrics, self._evaluator.kernels(), self._data.input_shape)
