"""The Keras model of one trial: as a user would build it, and as keras.Model.fit trains it here."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from studies.datasets.preprocessing import PreparedData
from studies.keras_config import start_weights
from studies.models import proximal
from studies.models.architecture import Architecture, design, learning_rate_expression, optimizer_expression
from studies.models.expression import Expression
from studies.spec.model import KerasSpec
from studies.training.result import Job
from studies.training.start_weights import assign_weights


def build_plain_model(job: Job, data: PreparedData) -> keras.Model:
    """Build and compile the model of a trial as a user would, with one of Keras' own optimizers.

    Where the user's has several inputs, they are parts of one, a row.

    Raises EngineError when the weights to start from are not those of its layers.
    """
    architecture, own = _design(job, data), job.spec.model
    model = architecture.build()
    if isinstance(own, KerasSpec) and own.weights is not None:
        assign_weights(model, start_weights.unpack(own.weights))
    return _compile_plain(model, architecture, job, data)


def _design(job: Job, data: PreparedData) -> Architecture:
    return design(job.spec.model, data.input_shape, data.task, data.classes, job.hyperparameters.regularization)


def _compile_plain(model: keras.Model, architecture: Architecture, job: Job, data: PreparedData) -> keras.Model:
    optimizer = optimizer_expression(job.spec.training.optimizer, learning_rate(job, data))
    _compile(model, optimizer.evaluate(), architecture.loss)
    return model


def learning_rate(job: Job, data: PreparedData) -> float | Expression:
    """Write the learning rate of a trial: a number, or a schedule over its steps."""
    hyper, schedule = job.hyperparameters, job.spec.training.schedule
    steps = -(-len(data.train.y) // hyper.batch_size)
    return learning_rate_expression(schedule, hyper.learning_rate, steps, job.spec.budget.epochs * steps)


def build_fit_model(job: Job, data: PreparedData, *, weighted: bool) -> keras.Model:
    """Build and compile the model that keras.Model.fit trains: the plain one, with L1's proximal step where needed.

    `weighted` says whether the training rows have weights.
    """
    model = build_plain_model(job, data)
    proximal_step = job.hyperparameters.regularization.proximal
    if weighted or proximal_step:
        optimizer = _with_proximal_step(model.optimizer) if proximal_step else model.optimizer
        _compile(model, optimizer, model.loss, weighted=weighted)
    _make_variables(model, data, weighted=weighted)
    return model


def _make_variables(model: keras.Model, data: PreparedData, *, weighted: bool) -> None:
    """Make the variables of optimizer and metrics: a training step that makes any is traced twice."""
    model.optimizer.build(model.trainable_variables)
    x, y = data.train.x[:1], data.train.y[:1]
    model.compute_metrics(x, y, model(x, training=False), np.ones(1, np.float32) if weighted else None)
    model.reset_metrics()


def _with_proximal_step(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
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


def save_trial_model(model: keras.Model, job: Job, data: PreparedData, path: Path) -> None:
    """Write the plain model of a trial as a .keras file, with the inputs of the user's model."""
    architecture = _design(job, data)
    if architecture.divides:
        divided = architecture.build_divided()
        for layer in divided.layers:
            if layer.weights:
                layer.set_weights(model.get_layer(layer.name).get_weights())
        model = _compile_plain(divided, architecture, job, data)
    save_model(model, path)


def save_model(model: keras.Model, path: Path) -> None:
    """Write a plain model, which holds the weights of a trial, as a .keras file."""
    # Keras cannot load a compiled model whose optimizer was never built.
    model.optimizer.build(model.trainable_variables)
    model.save(path)
