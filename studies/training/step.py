"""One lane, as pure functions: a training step and an evaluation, with real Keras layers inside.

To be held against `train_step` in keras.src.backend.tensorflow.trainer: forward, data loss, gradients. What acts on
each weight alone, the penalty's gradient and the optimizer's update, stands in `program` and acts on all lanes at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from studies.training.knobs import Knobs, turned

DataLoss = Callable[[Any, Any], Any]  # targets, predictions -> loss of each row


class Lane(NamedTuple):
    """What a lane's model holds, in the order of the Keras model's variables."""

    weights: list[Any]  # trainable
    state: list[Any]  # not trainable, such as moving means


class Gradients(NamedTuple):
    """What a step gives to the optimizer, and what it saw."""

    weights: list[Any]  # of the data loss, and of what layers add of their outputs
    state: list[Any]  # the state after the forward pass
    data_loss: Any  # mean over the batch's rows


def gradients(model: keras.Model, data_loss: DataLoss, lane: Lane, x: Any, y: Any, knobs: Knobs) -> Gradients:
    """Forward in training mode and backward, for one batch of one lane."""
    with tf.GradientTape() as tape:
        tape.watch(lane.weights)
        with _holding(model, lane) as scope, turned(knobs):
            predicted = model(x, training=True)
            loss = tf.reduce_mean(data_loss(y, predicted))
            total = tf.add_n([loss, *scope.losses])
            state = [scope.get_current_value(variable) for variable in model.non_trainable_weights]
    return Gradients(tape.gradient(total, lane.weights), state, loss)


def evaluate(
    model: keras.Model, data_loss: DataLoss, lane: Lane, x: Any, y: Any, counted: Any = 1.0
) -> tuple[Any, Any]:
    """Sum of the rows' data losses, and the predictions, in inference mode; rows count as `counted`, 1 or 0, says."""
    with _holding(model, lane):
        predicted = model(x, training=False)
        return tf.reduce_sum(counted * data_loss(y, predicted)), predicted


def _holding(model: keras.Model, lane: Lane) -> keras.StatelessScope:
    """A scope in which the model's variables have the lane's values."""
    held = [*zip(model.trainable_variables, lane.weights, strict=True)]
    held += zip(model.non_trainable_weights, lane.state, strict=True)
    return keras.StatelessScope(state_mapping=held, collect_losses=True, initialize_variables=False)
