"""The step of one lane, as pure functions: a training step and an evaluation, with real Keras layers inside.

To be compared with `train_step` in keras.src.backend.tensorflow.trainer: forward, data loss, gradients. What acts on
each weight alone, the penalty's gradient and the optimizer's update, is in `weight_update` and acts on all lanes at
once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from studies.training.embedding import squaring, tables
from studies.training.knobs import Knobs, using

DataLoss = Callable[[Any, Any], Any]  # targets, predictions -> loss of each row


class ModelValues(NamedTuple):
    """The values of a model's variables, in the order of the Keras model's."""

    weights: list[Any]  # trainable
    state: list[Any]  # not trainable, such as moving means


class Gradients(NamedTuple):
    """The results of a step."""

    weights: list[Any]  # gradients of the data loss and of penalties on the layers' outputs
    state: list[Any]  # the state after the forward pass
    data_loss: Any  # mean over the batch's rows that count, weighted
    squares: list[Any]  # of each table that is looked up: its gradient's square by occurrence, summed


def gradients(
    model: keras.Model, data_loss: DataLoss, values: ModelValues, x: Any, y: Any, row_weights: Any, knobs: Knobs
) -> Gradients:
    """Run one batch of one lane forward in training mode and backward; rows that do not count have no weight."""
    squares = {variable.path: tf.zeros(variable.shape) for variable in tables(model)}
    with tf.GradientTape() as tape:
        tape.watch((values.weights, squares))
        with _scope(model, values) as scope, using(knobs), squaring(squares):
            predicted = model(x, training=True)
            losses = row_weights * data_loss(y, predicted)
            loss = tf.reduce_sum(losses) / knobs.count
            total = tf.add_n([loss, *scope.losses])
            state = [scope.get_current_value(variable) for variable in model.non_trainable_weights]
    of_weights, of_squares = tape.gradient(total, (values.weights, list(squares.values())))
    return Gradients(of_weights, state, loss, of_squares)


def evaluate(
    model: keras.Model, data_loss: DataLoss, values: ModelValues, x: Any, y: Any, counted: Any = 1.0
) -> tuple[Any, Any]:
    """Sum of data losses, and predictions, in inference mode; `counted` is 1 for rows that count, else 0."""
    with _scope(model, values):
        predicted = model(x, training=False)
        return tf.reduce_sum(counted * data_loss(y, predicted)), predicted


def _scope(model: keras.Model, values: ModelValues) -> keras.StatelessScope:
    """A scope in which the model's variables have these values."""
    mapping = [*zip(model.trainable_variables, values.weights, strict=True)]
    mapping += zip(model.non_trainable_weights, values.state, strict=True)
    return keras.StatelessScope(state_mapping=mapping, collect_losses=True, initialize_variables=False)
