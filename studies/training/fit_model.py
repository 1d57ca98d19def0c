"""Keras models that are traced once and trained by keras.Model.fit for many trials, with other values in them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from keras.src.utils.naming import reset_uids
from tensorflow.python.eager import context

from studies.datasets.preprocessing import PreparedData
from studies.keras_config.graph import Layer
from studies.models.expression import Expression
from studies.objectives import Task
from studies.regularization import LayerRegularization, Penalty, Regularization
from studies.spec.model import KerasSpec, ModelSpec
from studies.spec.optimizer import OptimizerSpec, ScheduleSpec
from studies.training.evaluator import LossAndPredictions, loss_and_predictions
from studies.training.fit_knobs import FIXED_RATES, add_knobs, assign_knobs
from studies.training.machine import return_freed_memory
from studies.training.result import Job
from studies.training.trial_model import build_fit_model, build_plain_model, learning_rate

_KEPT = 3  # without penalty, with one in the loss, and with a proximal step: what the trials of one study alternate


@dataclass(frozen=True)
class FitKey:
    """All that a model is traced for."""

    model: ModelSpec
    optimizer: OptimizerSpec
    schedule: ScheduleSpec
    task: Task
    classes: int
    input_shape: tuple[int, ...]
    regularization: Regularization  # of any strength and rate
    weighted: bool
    batch_size: int | None  # of every batch; None where the last is smaller, and the trace takes any size

    @classmethod
    def of(cls, job: Job, data: PreparedData, *, weighted: bool) -> Self:
        """The key of a trial."""
        size = job.hyperparameters.batch_size
        return cls(
            model=job.spec.model,
            optimizer=job.spec.training.optimizer,
            schedule=job.spec.training.schedule,
            task=data.task,
            classes=data.classes,
            input_shape=data.input_shape,
            regularization=_kinds(job.spec.model, job.hyperparameters.regularization),
            weighted=weighted,
            batch_size=None if len(data.train.y) % size else size,
        )

    def is_of_model(self, other: FitKey) -> bool:
        """Return whether both are of one model, on data of one shape."""
        return (self.model, self.input_shape, self.classes) == (other.model, other.input_shape, other.classes)


def _kinds(spec: ModelSpec, reg: Regularization) -> Regularization:
    """The regularization whose graph serves every strength and rate; what is 0 adds nothing to the graph."""
    layers = list(_layers_of(spec)) if isinstance(spec, KerasSpec) else None
    kernels = [_kind(layer.kernel) for layer in reg.layers]
    # Layers that differ share a graph, but for tables: there a strength of 0 makes a sparse gradient dense.
    if any(kernel.lambda_ for kernel in kernels) and not any(layer.kind == "Embedding" for layer in layers or ()):
        kernels = [next((k for k in kernels if k.l1), next(k for k in kernels if k.lambda_))] * len(kernels)
    rates = [layer.dropout for layer in reg.layers]
    if layers is not None and not any(layer.rates for layer in layers):
        rates = [0.0] * len(rates)
    elif not any(layer.rates and layer.kind in FIXED_RATES for layer in layers or ()):
        rates = [0.5 if rate else 0.0 for rate in rates]
    of_layers = tuple(map(LayerRegularization, kernels, rates))
    return replace(reg, layers=of_layers, bias=_kind(reg.bias), activity=_kind(reg.activity))


def _kind(penalty: Penalty) -> Penalty:
    if penalty.l1:
        return Penalty("elastic_net", 1.0, 0.5)
    return Penalty("l2", 1.0) if penalty.l2 else Penalty()


def _layers_of(spec: KerasSpec) -> Iterator[Layer]:
    for layer in spec.graph.layers:
        yield layer
        yield from (inner for inner in layer.arguments.values() if isinstance(inner, Layer))


class FitModel:
    """A model whose training step and evaluation are traced once."""

    def __init__(self, key: FitKey, job: Job, data: PreparedData) -> None:
        hyper = replace(job.hyperparameters, regularization=key.regularization)
        job = replace(job, hyperparameters=hyper)
        reset_uids()
        self.model = build_fit_model(job, data, weighted=key.weighted)
        self.evaluate: LossAndPredictions = loss_and_predictions(self.model, data.validation)
        add_knobs(self.model)
        optimizer = self.model.optimizer
        if key.regularization.proximal:
            pairs = zip(self.model.trainable_variables, optimizer.l1, strict=True)
            optimizer.l1 = [None if l1 is None else variable.regularizer.l1 for variable, l1 in pairs]
        self._schedule: dict[str, Any] = {}
        if isinstance(rate := learning_rate(job, data), Expression):
            schedule = rate.evaluate()
            for name in ("initial_learning_rate", "decay_steps"):
                self._schedule[name] = tf.Variable(float(getattr(schedule, name)), trainable=False)
                setattr(schedule, name, self._schedule[name])
            optimizer.learning_rate = schedule

    def begin(self, job: Job, data: PreparedData) -> keras.Model:
        """Begin a trial: everything is as in the trial's plain model, which is returned."""
        reset_uids()  # layers without a name get the same ones in every trial
        _set_random_seed(job.seed)
        plain = build_plain_model(job, data)
        for variable, other in zip(self.model.variables, plain.variables, strict=True):
            variable.assign(other)
        assign_knobs(self.model, plain)
        optimizer, rate = self.model.optimizer, learning_rate(job, data)
        for variable in optimizer.variables:  # all of Keras' begin at 0, but for the learning rate
            variable.assign(tf.zeros_like(variable.value))
        if isinstance(rate, Expression):
            for name, variable in self._schedule.items():
                variable.assign(float(rate.arguments[name]))
        else:
            optimizer.learning_rate = rate
        return plain


def _set_random_seed(seed: int) -> None:
    """Set every seed as keras.utils.set_random_seed does, and keep the kernels of what was traced.

    TensorFlow throws them away with every new seed, and making them again takes half as long as tracing.
    """
    random.seed(seed)
    np.random.seed(seed)  # as Keras does
    context.context()._seed, context.context()._rng = seed, random.Random(seed)  # noqa: S311  # as TensorFlow does


class FitModels:
    """The traced models that are kept for the next trials, all of one model."""

    def __init__(self) -> None:
        self._models: dict[FitKey, FitModel] = {}  # the last used stands last

    def of(self, job: Job, data: PreparedData, *, weighted: bool) -> FitModel:
        """The model of a trial; it is made where none is kept, and then those of another model are freed."""
        key = FitKey.of(job, data, weighted=weighted)
        model = self._models.pop(key, None)
        if model is None:
            self._free(key)
            model = FitModel(key, job, data)
        self._models[key] = model
        return model

    def free(self) -> None:
        """Free all models, for studies that need their memory."""
        self._keep([])

    def _free(self, key: FitKey) -> None:
        self._keep([other for other in self._models if other.is_of_model(key)][1 - _KEPT :])

    def _keep(self, kept: list[FitKey]) -> None:
        if len(kept) < len(self._models):
            self._models = {other: self._models[other] for other in kept}
            # Models hold circles of references, and TensorFlow the kernels of what was traced.
            keras.utils.clear_session(free_memory=True)
            return_freed_memory()
