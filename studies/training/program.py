"""The compiled program of many lanes: one call trains every lane for some epochs, each on its own everything.

Whatever differs between trials is a value here: weights, optimizer state, knobs, data order, noise. What forces another
program is its ProgramKey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from studies.model_spec import ModelSpec
from studies.models.architecture import design
from studies.objectives import Task
from studies.optimizer_spec import OptimizerSpec, ScheduleSpec
from studies.regularization import Regularization
from studies.training.knobs import Knobs, lane_model, mix
from studies.training.optimizers import rule
from studies.training.schedules import schedule
from studies.training.step import Lane, evaluate, gradients

_ROWS_A_PASS = 4096  # validation rows evaluated at once in every lane; bounds memory
#: Any penalty and rate: knobs take their places.
_KNOBBED = Regularization(kind="elastic_net", lambda_=1.0, l1_ratio=0.5, dropout=0.5)


@dataclass(frozen=True)
class ProgramKey:
    """What a compiled program is made for."""

    model: ModelSpec
    optimizer: OptimizerSpec
    schedule: ScheduleSpec
    budget_epochs: int  # over which a schedule runs; 0 where it does not matter
    task: Task
    classes: int
    input_shape: tuple[int, ...]
    train_rows: int
    validation_rows: int
    batch_size: int
    lanes: int
    epochs: int  # a call
    xla: bool


class Lanes(NamedTuple):
    """All lanes, stacked: every array has the lane as its first axis."""

    lane: Lane
    slots: list[list[Any]]  # the optimizer's, by weight
    step: Any  # float32, gradient steps taken


class Settings(NamedTuple):
    """The knobs of all lanes."""

    l1: Any
    l2: Any
    dropout: Any
    learning_rate: Any  # initial
    seed: Any  # uint32


class Data(NamedTuple):
    """The rows, the same for all lanes."""

    x: Any
    y: Any
    validation_x: Any
    validation_y: Any


class Epochs(NamedTuple):
    """What the epochs of a call gave: every array has the epoch as its first axis and the lane as its second."""

    data_loss: Any  # running mean over the epoch's batches, as Keras logs it
    penalty: Any  # λ1·Σ|w| + λ2·Σw² of the regularized kernels at the epoch's end
    validation_loss: Any
    predictions: Any  # on the validation rows
    ended: Lane  # what every lane's model held at the epoch's end


class Course(NamedTuple):
    """All that one call hands to the next."""

    lanes: Lanes
    ended: Lane  # of the last call's epochs
    best: Lane  # of each lane's best epoch before the last call


class Program:
    """The functions of one ProgramKey; compiled when first called."""

    def __init__(self, key: ProgramKey) -> None:
        self.key = key
        architecture = design(key.model, key.input_shape, key.task, key.classes, _KNOBBED)
        self.model = lane_model(architecture)
        self._data_loss = keras.losses.get(architecture.loss)
        self._rule = rule(key.optimizer)
        steps = -(-key.train_rows // key.batch_size)
        self._rate = schedule(key.schedule, steps, key.budget_epochs * steps)
        #: Positions of the regularized kernels among the weights.
        self.regularized = [i for i, v in enumerate(self.model.trainable_variables) if v.regularizer is not None]
        self.train = tf.function(self._train, jit_compile=key.xla, autograph=False)
        self.seat = tf.function(self._seat, autograph=False)
        self.measure = tf.function(self._measure, autograph=False, reduce_retracing=True)

    def empty(self) -> Course:
        """Lanes that hold zeros."""
        trained, rest = self.model.trainable_variables, self.model.non_trainable_weights

        def zeros(*axes: int) -> Lane:
            return Lane(*([tf.zeros([*axes, *variable.shape]) for variable in kind] for kind in (trained, rest)))

        lane = zeros(self.key.lanes)
        lanes = Lanes(lane, [[weight] * self._rule.slots for weight in lane.weights], tf.zeros([self.key.lanes]))
        return Course(lanes, zeros(self.key.epochs, self.key.lanes), lane)

    def initial(self, seed: int) -> Lane:
        """Initial values of one lane, drawn by the layers' own initializers."""
        seeds = np.random.default_rng(seed)
        values = {
            variable.path: _initial(layer, variable, int(seeds.integers(2**31)))
            for layer in self.model.layers
            for variable in layer.weights
        }
        return Lane(
            [values[variable.path] for variable in self.model.trainable_variables],
            [values[variable.path] for variable in self.model.non_trainable_weights],
        )

    def _seat(self, lanes: Lanes, fresh: Any, initial: Lane) -> Lanes:
        """Put new values into the fresh lanes, with a new optimizer."""
        return Lanes(
            Lane(_choose(fresh, initial.weights, lanes.lane.weights), _choose(fresh, initial.state, lanes.lane.state)),
            [[tf.where(_broadcast(fresh, s), tf.zeros_like(s), s) for s in slots] for slots in lanes.slots],
            tf.where(fresh, tf.zeros_like(lanes.step), lanes.step),
        )

    def _train(self, course: Course, keep: Any, settings: Settings, order: Any, data: Data) -> tuple[Course, Epochs]:
        """Keep the best weights of the call before, then train and evaluate every lane for some epochs.

        `keep` says for each lane which epoch of the call before was its best so far, −1 for none of them. `order` holds
        the row numbers, by epoch and lane, in the order they are trained.
        """
        best = course.best
        for epoch in range(self.key.epochs):
            ended = Lane(*([array[epoch] for array in arrays] for arrays in course.ended))
            best = Lane(*(_choose(tf.equal(keep, epoch), *pair) for pair in zip(ended, best, strict=True)))

        def one(epoch: Any, lanes: Lanes, gathered: Any) -> Any:
            lanes, given = self._epoch(lanes, settings, order[epoch], data)
            written = [array.write(epoch, value) for array, value in zip(gathered, tf.nest.flatten(given), strict=True)]
            return epoch + 1, lanes, written

        form = tf.nest.flatten(self._epoch_form())
        gathered = [tf.TensorArray(tf.float32, self.key.epochs, element_shape=shape) for shape in form]
        loop = (tf.constant(0), course.lanes, gathered)
        many = self.key.epochs
        _, lanes, gathered = tf.while_loop(lambda epoch, *_: epoch < many, one, loop, maximum_iterations=many)
        epochs = tf.nest.pack_sequence_as(self._epoch_form(), [array.stack() for array in gathered])
        return Course(lanes, epochs.ended, best), epochs

    def _epoch_form(self) -> Epochs:
        """The shapes of what one epoch gives."""
        kinds = self.model.trainable_variables, self.model.non_trainable_weights
        ended = Lane(*([self._by_lane(*variable.shape) for variable in kind] for kind in kinds))
        predictions = self._by_lane(self.key.validation_rows, *self.model.output_shape[1:])
        return Epochs(self._by_lane(), self._by_lane(), self._by_lane(), predictions, ended)

    def _by_lane(self, *axes: int) -> tf.TensorShape:
        return tf.TensorShape([self.key.lanes, *axes])

    def _epoch(self, lanes: Lanes, settings: Settings, order: Any, data: Data) -> tuple[Lanes, Epochs]:
        size, rows = self.key.batch_size, self.key.train_rows
        full, rest = divmod(rows, size)
        loss_sum = tf.zeros([self.key.lanes])

        def one(batch: Any, lanes: Lanes, loss_sum: Any) -> Any:
            return batch + 1, *self._batch(lanes, loss_sum, settings, order, data, batch * size, size)

        if full:
            loop = (tf.constant(0), lanes, loss_sum)
            _, lanes, loss_sum = tf.while_loop(lambda batch, *_: batch < full, one, loop, maximum_iterations=full)
        if rest:
            # Keras' last batch is smaller, so it is a step of its own and not padded.
            lanes, loss_sum = self._batch(lanes, loss_sum, settings, order, data, full * size, rest)
        loss, predictions = self._validate(lanes.lane, data)
        return lanes, Epochs(loss_sum / rows, self._penalty(lanes.lane, settings), loss, predictions, lanes.lane)

    def _batch(
        self, lanes: Lanes, loss_sum: Any, settings: Settings, order: Any, data: Data, start: Any, size: int
    ) -> tuple[Lanes, Any]:
        chosen = tf.slice(order, [0, start], [self.key.lanes, size])
        noise = mix(tf.bitwise.bitwise_xor(settings.seed, mix(tf.cast(lanes.step, tf.uint32))))

        def lane_gradients(given: Any) -> Any:
            lane, x, y, dropout, noise = given
            return gradients(self.model, self._data_loss, lane, x, y, Knobs(dropout, noise))

        given = (lanes.lane, tf.gather(data.x, chosen), tf.gather(data.y, chosen), settings.dropout, noise)
        found = tf.vectorized_map(lane_gradients, given, fallback_to_while_loop=False)
        step = lanes.step + 1
        learning_rate = self._rate(settings.learning_rate, lanes.step)
        weights, slots = [], []
        for position, weight in enumerate(lanes.lane.weights):
            gradient = found.weights[position]
            if position in self.regularized:
                l1, l2 = _broadcast(settings.l1, weight), _broadcast(settings.l2, weight)
                # d/dw (λ1·|w| + λ2·w²); the gradient of |w| at 0 is 0, as TensorFlow has it.
                gradient += l1 * tf.sign(weight) + 2 * l2 * weight
            rate, count = _broadcast(learning_rate, weight), _broadcast(step, weight)
            moved, new_slots = self._rule.update(weight, lanes.slots[position], gradient, rate, count)
            weights.append(moved)
            slots.append(new_slots)
        return Lanes(Lane(weights, list(found.state)), slots, step), loss_sum + found.data_loss * size

    def _penalty(self, lane: Lane, settings: Settings) -> Any:
        total = tf.zeros([self.key.lanes])
        for position in self.regularized:
            kernel = tf.reshape(lane.weights[position], [self.key.lanes, -1])
            total += settings.l1 * tf.reduce_sum(tf.abs(kernel), 1) + settings.l2 * tf.reduce_sum(tf.square(kernel), 1)
        return total

    def _validate(self, lane: Lane, data: Data) -> tuple[Any, Any]:
        total, predictions = tf.zeros([self.key.lanes]), []
        for start in range(0, self.key.validation_rows, _ROWS_A_PASS):
            x = data.validation_x[start : start + _ROWS_A_PASS]
            y = data.validation_y[start : start + _ROWS_A_PASS]
            loss, predicted = tf.vectorized_map(
                lambda one, x=x, y=y: evaluate(self.model, self._data_loss, one, x, y),
                lane,
                fallback_to_while_loop=False,
            )
            total += loss
            predictions.append(predicted)
        return total / self.key.validation_rows, tf.concat(predictions, axis=1)

    def _measure(self, lane: Lane, x: Any, y: Any) -> tuple[Any, Any]:
        return evaluate(self.model, self._data_loss, lane, x, y)


def _choose(mask: Any, there: Sequence[Any], otherwise: Sequence[Any]) -> list[Any]:
    return [tf.where(_broadcast(mask, new), new, old) for new, old in zip(there, otherwise, strict=True)]


def _broadcast(by_lane: Any, stacked: Any) -> Any:
    return tf.reshape(by_lane, [-1] + [1] * (len(stacked.shape) - 1))


def _initial(layer: Any, variable: Any, seed: int) -> npt.NDArray[Any]:
    initializer = getattr(layer, f"{variable.name}_initializer")
    config = initializer.get_config()
    if "seed" in config:
        initializer = type(initializer).from_config(config | {"seed": seed})
    return np.asarray(initializer(variable.shape))
