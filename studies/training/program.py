"""The compiled program of many lanes: one call trains every lane for some epochs, each on its own everything.

Whatever differs between trials is a value here: weights, optimizer state, knobs, data order, noise. What forces another
program is its ProgramKey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from studies.models.architecture import design
from studies.objectives import Task
from studies.regularization import L1Mode, LayerRegularization, Penalty, Regularization
from studies.spec.model import ModelSpec
from studies.spec.optimizer import OptimizerSpec, ScheduleSpec
from studies.training import weights
from studies.training.initial import drawn
from studies.training.knobs import Knobs, lane_model, mix
from studies.training.optimizers import rule
from studies.training.result import Job
from studies.training.rows import Rows
from studies.training.schedules import schedule
from studies.training.step import Lane, evaluate, gradients

_ROWS_A_PASS = 4096  # validation rows evaluated at once in every lane; bounds memory
#: Any penalty and rate: knobs take their places.
_KNOBBED = LayerRegularization(Penalty("elastic_net", lambda_=1.0, l1_ratio=0.5), dropout=0.5)


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
    train_rows: int  # of each fold
    validation_rows: int  # of the largest fold
    folds: int  # that there are to train on, each lane on its own
    batch_size: int
    lanes: int
    epochs: int  # a call
    xla: bool
    l1_mode: L1Mode
    bias: bool  # whether any trial regularizes biases
    activity: bool  # whether any trial regularizes the layers' outputs
    balanced: bool  # whether classes are weighted

    @property
    def regularization(self) -> Regularization:
        """What makes the layers carry every knob that a trial may turn."""
        bias, activity = (_KNOBBED.kernel if used else Penalty() for used in (self.bias, self.activity))
        return Regularization((_KNOBBED,), bias=bias, activity=activity)


class Lanes(NamedTuple):
    """All lanes, stacked: every array has the lane as its first axis."""

    lane: Lane
    slots: list[list[Any]]  # the optimizer's, by weight
    step: Any  # float32, gradient steps taken


class Settings(NamedTuple):
    """The knobs of all lanes: every array has the lane as its first axis."""

    l1: Any  # of each regularized layer's kernel
    l2: Any
    dropout: Any  # of each regularized layer
    bias: Any  # λ1 and λ2
    activity: Any  # λ1 and λ2
    learning_rate: Any  # initial
    fold: Any  # int32
    seed: Any  # uint32


class Epochs(NamedTuple):
    """What the epochs of a call gave: every array has the epoch as its first axis and the lane as its second."""

    data_loss: Any  # running mean over the epoch's batches, as Keras logs it
    penalty: Any  # λ1·Σ|w| + λ2·Σw² of the regularized weights at the epoch's end
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
        architecture = design(key.model, key.input_shape, key.task, key.classes, key.regularization)
        self.model = lane_model(architecture)
        self._data_loss = keras.losses.get(architecture.loss)
        self._rule = rule(key.optimizer)
        steps = -(-key.train_rows // key.batch_size)
        self._rate = schedule(key.schedule, steps, key.budget_epochs * steps)
        owners = weights.regularized(self.model, key.model)
        layer_of = {
            variable.path: index for index, layer in enumerate(owners) for variable in layer.trainable_variables
        }
        self._layers = len(owners)
        marked = [i for i, v in enumerate(self.model.trainable_variables) if v.regularizer is not None]
        names = [variable.name for variable in self.model.trainable_variables]
        #: Positions, among the weights, of the regularized kernels, with the layer of each, and of regularized biases.
        self.kernels = {i: layer_of[self.model.trainable_variables[i].path] for i in marked if names[i] != "bias"}
        self.biases = [i for i in marked if names[i] == "bias"]
        self.train = tf.function(self._train, jit_compile=key.xla, autograph=False)
        self.seat = tf.function(self._seat, autograph=False)
        self.restore = tf.function(self._restore, autograph=False)
        self.measure = tf.function(self._measure, autograph=False, reduce_retracing=True)

    def settings(self, taken: Mapping[int, Job], folds: Mapping[int, int]) -> Settings:
        """The knobs of the lanes that hold trainings, by lane; zeros in all others. `folds` places the jobs' folds."""
        lanes, layers = self.key.lanes, self._layers
        l1, l2, dropout = (np.zeros((lanes, layers), np.float32) for _ in range(3))
        bias, activity = (np.zeros((lanes, 2), np.float32) for _ in range(2))
        rate, fold, seed = (np.zeros(lanes, kind) for kind in (np.float32, np.int32, np.uint32))
        for lane, job in taken.items():
            reg = job.hyperparameters.regularization
            layered = [reg.layer(index) for index in range(layers)]
            l1[lane], l2[lane] = [layer.kernel.l1 for layer in layered], [layer.kernel.l2 for layer in layered]
            dropout[lane] = [layer.dropout for layer in layered]
            bias[lane], activity[lane] = (reg.bias.l1, reg.bias.l2), (reg.activity.l1, reg.activity.l2)
            rate[lane], fold[lane], seed[lane] = job.hyperparameters.learning_rate, folds[job.fold], job.seed
        return Settings(*map(tf.constant, (l1, l2, dropout, bias, activity, rate, fold, seed)))

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
        values = drawn(self.model, seed)
        return Lane(
            [values[variable.path] for variable in self.model.trainable_variables],
            [values[variable.path] for variable in self.model.non_trainable_weights],
        )

    def by_layer(self, lane: Lane) -> list[list[Any]]:
        """The kernels of each regularized layer."""
        return [[lane.weights[p] for p, owner in self.kernels.items() if owner == i] for i in range(self._layers)]

    def _seat(self, lanes: Lanes, fresh: Any, initial: Lane) -> Lanes:
        """Put new values into the fresh lanes, with a new optimizer."""
        return Lanes(
            Lane(_choose(fresh, initial.weights, lanes.lane.weights), _choose(fresh, initial.state, lanes.lane.state)),
            [[tf.where(_broadcast(fresh, s), tf.zeros_like(s), s) for s in slots] for slots in lanes.slots],
            tf.where(fresh, tf.zeros_like(lanes.step), lanes.step),
        )

    def _restore(self, course: Course, chosen: Any, lanes: Lanes, best: Lane) -> Course:
        """Put trainings that were begun elsewhere into the chosen lanes, as they stood there."""
        values = tf.nest.flatten((lanes, best))
        held = tf.nest.flatten((course.lanes, course.best))
        lanes, best = tf.nest.pack_sequence_as((course.lanes, course.best), _choose(chosen, values, held))
        return course._replace(lanes=lanes, best=best)

    def _train(self, course: Course, keep: Any, settings: Settings, order: Any, data: Rows) -> tuple[Course, Epochs]:
        """Keep the best weights of the call before, then train and evaluate every lane for some epochs.

        `keep` says for each lane which epoch of the call before was its best so far, −1 for none of them. `order` holds
        the numbers of training rows, by epoch and lane, in the order they are trained.
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

    def _epoch(self, lanes: Lanes, settings: Settings, order: Any, data: Rows) -> tuple[Lanes, Epochs]:
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
        loss, predictions = self._validate(lanes.lane, settings.fold, data)
        return lanes, Epochs(loss_sum / rows, self._penalty(lanes.lane, settings), loss, predictions, lanes.lane)

    def _batch(
        self, lanes: Lanes, loss_sum: Any, settings: Settings, order: Any, data: Rows, start: Any, size: int
    ) -> tuple[Lanes, Any]:
        chosen = tf.slice(order, [0, start], [self.key.lanes, size])
        noise = mix(tf.bitwise.bitwise_xor(settings.seed, mix(tf.cast(lanes.step, tf.uint32))))

        def lane_gradients(given: Any) -> Any:
            lane, x, y, knobs, *weighing = given
            return gradients(self.model, self._data_loss, lane, x, y, Knobs(*knobs), *weighing)

        rows = tf.gather(data.x, chosen), tf.gather(data.y, chosen)
        weighing = () if data.weights is None else (tf.gather(data.weights, chosen),)
        given = (lanes.lane, *rows, (settings.dropout, settings.activity, noise), *weighing)
        found = tf.vectorized_map(lane_gradients, given, fallback_to_while_loop=False)
        step = lanes.step + 1
        learning_rate = self._rate(settings.learning_rate, lanes.step)
        moved_weights, slots = [], []
        for position, weight in enumerate(lanes.lane.weights):
            gradient = found.weights[position]
            proximal = position in self.kernels and self.key.l1_mode == "proximal"
            l1, l2 = (_broadcast(strength, weight) for strength in self._strengths(position, settings))
            # d/dw (λ1·|w| + λ2·w²); the gradient of |w| at 0 is 0, as TensorFlow has it.
            if position in self.kernels or position in self.biases:
                gradient += 2 * l2 * weight if proximal else l1 * tf.sign(weight) + 2 * l2 * weight
            rate, count = _broadcast(learning_rate, weight), _broadcast(step, weight)
            moved, new_slots, eta = self._rule.update(weight, lanes.slots[position], gradient, rate, count)
            moved_weights.append(_soft_threshold(moved, eta * l1) if proximal else moved)
            slots.append(new_slots)
        return Lanes(Lane(moved_weights, list(found.state)), slots, step), loss_sum + found.data_loss * size

    def _strengths(self, position: int, settings: Settings) -> tuple[Any, Any]:
        """λ1 and λ2 of a kernel in every lane, or of the biases."""
        if position in self.kernels:
            layer = self.kernels[position]
            return settings.l1[:, layer], settings.l2[:, layer]
        return settings.bias[:, 0], settings.bias[:, 1]

    def _penalty(self, lane: Lane, settings: Settings) -> Any:
        total = tf.zeros([self.key.lanes])
        for position in (*self.kernels, *self.biases):
            l1, l2 = self._strengths(position, settings)
            flat = tf.reshape(lane.weights[position], [self.key.lanes, -1])
            total += l1 * tf.reduce_sum(tf.abs(flat), 1) + l2 * tf.reduce_sum(tf.square(flat), 1)
        return total

    def _validate(self, lane: Lane, fold: Any, data: Rows) -> tuple[Any, Any]:
        """Mean data loss and predictions on the validation rows of each lane's fold."""
        total, predictions = tf.zeros([self.key.lanes]), []
        counts = tf.gather(data.validation_rows, fold)
        for start in range(0, self.key.validation_rows, _ROWS_A_PASS):
            rows = np.arange(start, min(start + _ROWS_A_PASS, self.key.validation_rows))
            if self.key.folds == 1:
                shared = data.validation_x[start : start + len(rows)], data.validation_y[start : start + len(rows)]
                each: Any = partial(self._evaluate_on, *shared)
                given: Any = lane
            else:
                own = (part[:, start : start + len(rows)] for part in (data.validation_x, data.validation_y))
                x, y = (tf.gather(part, fold) for part in own)
                each, given = self._evaluate_own, (lane, x, y, tf.cast(rows < counts[:, None], tf.float32))
            loss, predicted = tf.vectorized_map(each, given, fallback_to_while_loop=False)
            total += loss
            predictions.append(predicted)
        return total / tf.cast(counts, tf.float32), tf.concat(predictions, axis=1)

    def _evaluate_on(self, x: Any, y: Any, lane: Lane) -> tuple[Any, Any]:
        return evaluate(self.model, self._data_loss, lane, x, y)

    def _evaluate_own(self, given: tuple[Lane, Any, Any, Any]) -> tuple[Any, Any]:
        lane, x, y, counted = given
        return evaluate(self.model, self._data_loss, lane, x, y, counted)

    def _measure(self, lane: Lane, x: Any, y: Any) -> tuple[Any, Any]:
        return evaluate(self.model, self._data_loss, lane, x, y)


def _choose(mask: Any, there: Sequence[Any], otherwise: Sequence[Any]) -> list[Any]:
    return [tf.where(_broadcast(mask, new), new, old) for new, old in zip(there, otherwise, strict=True)]


def _soft_threshold(weight: Any, by: Any) -> Any:
    """The proximal step of `by`·|w|: sign(w)·max(|w| − by, 0)."""
    return tf.sign(weight) * tf.maximum(tf.abs(weight) - by, 0.0)


def _broadcast(by_lane: Any, stacked: Any) -> Any:
    return tf.reshape(by_lane, [-1] + [1] * (len(stacked.shape) - 1))
