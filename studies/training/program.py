"""The compiled program of many lanes: one call trains a model in every lane for some epochs.

All that differs between trials is a value here: weights, optimizer state, knobs, data order, noise. All that forces
another program is in its ProgramKey.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from studies.models.architecture import design
from studies.training.compiled_files import CompiledFiles
from studies.training.compiling import Compiled, Traced
from studies.training.fold_arrays import FoldArrays, FoldPlace
from studies.training.initial import draw_values
from studies.training.knobs import Knobs
from studies.training.lane_arrays import (
    Carry,
    EpochRows,
    Epochs,
    LaneKnobs,
    Lanes,
    TrainingSize,
    broadcast,
    choose_by_lane,
)
from studies.training.lane_model import lane_model
from studies.training.names import named_by
from studies.training.noise import mix
from studies.training.program_key import ProgramKey
from studies.training.result import Compiling, Job
from studies.training.step import ModelValues, evaluate, gradients
from studies.training.weight_update import WeightUpdate

_MAX_DRAWN_BYTES = 1 << 25


class Program:
    """The functions of one ProgramKey, compiled when first called; `files` are what workers have compiled before."""

    def __init__(self, key: ProgramKey, files: CompiledFiles | None = None, compiling: Compiling = nullcontext) -> None:
        self.key, self._files, self._compiling = key, files, compiling
        architecture = design(key.model, key.input_shape, key.task, key.classes, key.regularization)
        with named_by(key):
            self.model = lane_model(architecture)
        self.update = WeightUpdate(key, self.model)
        self._drawn: dict[int, ModelValues] = {}  # initial values by seed
        self._data_loss = keras.losses.get(architecture.loss)
        self.traced = Traced(replace(key, xla=False), self._train, compiling)
        self.train = Compiled(key, self.traced, files, _idle, compiling) if key.xla else self.traced
        self.reset = tf.function(self._reset, autograph=False)
        self.restore = tf.function(self._restore, autograph=False)
        self.evaluate = tf.function(self._evaluate, autograph=False, reduce_retracing=True)

    @cached_property
    def compiled(self) -> Program:
        """The same program compiled by XLA; they share their model and all that is traced."""
        program = copy(self)
        program.key = replace(self.key, xla=True)
        program.train = Compiled(program.key, self.traced, self._files, _idle, self._compiling)
        return program

    def knobs(self, jobs: Mapping[int, Job], places: Mapping[int, FoldPlace]) -> LaneKnobs:
        """The knobs of the jobs by lane; `places` says where each job's fold lies."""
        return LaneKnobs.of(jobs, places, self.key.lanes, self.update.layers)

    def empty(self) -> Carry:
        """A carry whose lanes hold zeros."""
        trainable, rest = self.model.trainable_variables, self.model.non_trainable_weights

        def zeros(*axes: int) -> ModelValues:
            return ModelValues(
                *([tf.zeros([*axes, *variable.shape]) for variable in variables] for variables in (trainable, rest))
            )

        values = zeros(self.key.lanes)
        lanes = Lanes(values, self.update.empty_slots(values), tf.zeros([self.key.lanes]))
        return Carry(lanes, zeros(self.key.max_epochs, self.key.lanes), values)

    def empty_order(self) -> npt.NDArray[np.int32]:
        """The order of rows of a call whose lanes train on the first row alone; by epoch, lane and place."""
        capacity = self.key.capacity
        return np.zeros((self.key.max_epochs, self.key.lanes, capacity.steps * capacity.batch_size), np.int32)

    def initial(self, seed: int) -> ModelValues:
        """Draw the initial values of one lane by the layers' own initializers."""
        # Trials with common seeds begin with the same ones.
        if seed not in self._drawn:
            values = draw_values(self.model, seed)
            drawn = ModelValues(
                [values[variable.path] for variable in self.model.trainable_variables],
                [values[variable.path] for variable in self.model.non_trainable_weights],
            )
            if (len(self._drawn) + 1) * sum(value.nbytes for value in values.values()) > _MAX_DRAWN_BYTES:
                self._drawn.clear()
            self._drawn[seed] = drawn
        return self._drawn[seed]

    def _reset(self, lanes: Lanes, mask: Any, initial: ModelValues) -> Lanes:
        """Put initial values and a new optimizer into the lanes of a mask."""
        return Lanes(
            ModelValues(
                choose_by_lane(mask, initial.weights, lanes.model.weights),
                choose_by_lane(mask, initial.state, lanes.model.state),
            ),
            [[tf.where(broadcast(mask, s), tf.zeros_like(s), s) for s in slots] for slots in lanes.slots],
            tf.where(mask, tf.zeros_like(lanes.step), lanes.step),
        )

    def _restore(self, carry: Carry, mask: Any, lanes: Lanes, best: ModelValues) -> Carry:
        """Put the state of interrupted trainings into the lanes of a mask."""
        restored = tf.nest.flatten((lanes, best))
        present = tf.nest.flatten((carry.lanes, carry.best))
        chosen = choose_by_lane(mask, restored, present)
        lanes, best = tf.nest.pack_sequence_as((carry.lanes, carry.best), chosen)
        return carry._replace(lanes=lanes, best=best)

    def _train(
        self, carry: Carry, keep: Any, knobs: LaneKnobs, order: Any, data: FoldArrays, size: TrainingSize
    ) -> tuple[Carry, Epochs]:
        """Keep the best weights of the call before, then train and evaluate every lane for some epochs.

        `keep` says for each lane which epoch of the call before was its best so far, −1 for none of them. `order` holds
        the indices of training rows, by epoch and lane, in the order they are trained.
        """
        kept = tf.greater_equal(keep, 0)
        at = tf.stack([tf.maximum(keep, 0), tf.range(self.key.lanes)], axis=1)  # of each lane, its epoch
        ended = ModelValues(*([tf.gather_nd(array, at) for array in arrays] for arrays in carry.ended))
        best = ModelValues(*(choose_by_lane(kept, *pair) for pair in zip(ended, carry.best, strict=True)))

        def one_epoch(epoch: Any, lanes: Lanes, gathered: Any) -> Any:
            lanes, results = self._epoch(lanes, knobs, order[epoch], data, size)
            arrays = tf.nest.flatten(results)
            return epoch + 1, lanes, [array.write(epoch, value) for array, value in zip(gathered, arrays, strict=True)]

        shapes = self._epoch_shapes()
        gathered = [_array(self.key.max_epochs, shape) for shape in tf.nest.flatten(shapes)]
        loop = (tf.constant(0), carry.lanes, gathered)
        _, lanes, gathered = tf.while_loop(lambda epoch, *_: epoch < size.epochs, one_epoch, loop)
        epochs = tf.nest.pack_sequence_as(shapes, [array.stack() for array in gathered])
        return Carry(lanes, epochs.ended, best), epochs

    def _epoch_shapes(self) -> Epochs:
        """The shapes of one epoch's results."""
        variables = self.model.trainable_variables, self.model.non_trainable_weights
        ended = ModelValues(*([self._by_lane(*variable.shape) for variable in kind] for kind in variables))
        capacity = self.key.capacity
        predictions = self._by_lane(capacity.passes * capacity.pass_rows, *self.model.output_shape[1:])
        return Epochs(self._by_lane(), self._by_lane(), self._by_lane(), predictions, ended)

    def _by_lane(self, *axes: int) -> tf.TensorShape:
        return tf.TensorShape([self.key.lanes, *axes])

    def _epoch(
        self, lanes: Lanes, knobs: LaneKnobs, order: Any, data: FoldArrays, size: TrainingSize
    ) -> tuple[Lanes, Epochs]:
        width, last_width = self.key.capacity.batch_size, self.key.capacity.last_batch_size
        steps = size.rows // width if last_width else -(-size.rows // width)
        # Keras' last batch is smaller: here rows that do not count fill it up.
        counted = tf.cast(tf.range(order.shape[1]) < size.rows, tf.float32)
        rows = EpochRows(order, counted, counted * tf.gather(data.weights, order))

        def one_batch(batch: Any, lanes: Lanes, loss_sum: Any) -> Any:
            return batch + 1, *self._batch(lanes, loss_sum, knobs, rows, data, size, batch * width, width)

        loop = (tf.constant(0), lanes, tf.zeros([self.key.lanes]))
        _, lanes, loss_sum = tf.while_loop(lambda batch, *_: batch < steps, one_batch, loop)
        if last_width:
            lanes, loss_sum = self._batch(lanes, loss_sum, knobs, rows, data, size, steps * width, last_width)
        loss, predictions = self._validate(lanes.model, knobs, data)
        penalty = self.update.penalty(lanes.model, knobs)
        return lanes, Epochs(loss_sum / tf.cast(size.rows, tf.float32), penalty, loss, predictions, lanes.model)

    def _batch(
        self,
        lanes: Lanes,
        loss_sum: Any,
        knobs: LaneKnobs,
        rows: EpochRows,
        data: FoldArrays,
        size: TrainingSize,
        start: Any,
        width: int,
    ) -> tuple[Lanes, Any]:
        order, counted, weights = (_slice(part, start, width) for part in rows)
        noise = mix(tf.bitwise.bitwise_xor(knobs.seed, mix(tf.cast(lanes.step, tf.uint32))))
        count = tf.cast(tf.minimum(size.rows - start, width), tf.float32)

        def lane_gradients(of_lane: Any) -> Any:
            values, x, y, row_weights, dropout, activity, key = of_lane
            lane_knobs = Knobs(dropout, activity, key, counted, count)
            return gradients(self.model, self._data_loss, values, x, y, row_weights, lane_knobs)

        x, y = tf.gather(data.x, order), tf.gather(data.y, order)
        by_lane = lanes.model, x, y, weights, knobs.dropout, knobs.activity, noise
        step = tf.vectorized_map(lane_gradients, by_lane, fallback_to_while_loop=False)
        return self.update.apply(lanes, step, knobs, size), loss_sum + step.data_loss * count

    def _validate(self, values: ModelValues, knobs: LaneKnobs, data: FoldArrays) -> tuple[Any, Any]:
        """Mean data loss and predictions on the validation rows of each lane's fold."""
        width, passes = self.key.capacity.pass_rows, self.key.capacity.passes
        counts = knobs.validation_rows

        def one_pass(number: Any, total: Any, predictions: Any) -> Any:
            rows = number * width + tf.range(width)
            counted = tf.cast(rows < counts[:, None], tf.float32)
            at = knobs.first_validation_row[:, None] + tf.minimum(rows, tf.maximum(counts - 1, 0)[:, None])
            of_lane = values, tf.gather(data.validation_x, at), tf.gather(data.validation_y, at), counted
            loss, predicted = tf.vectorized_map(self._evaluate_counted, of_lane, fallback_to_while_loop=False)
            return number + 1, total + loss, predictions.write(number, predicted)

        predictions = _array(passes, self._by_lane(width, *self.model.output_shape[1:]))
        loop = (tf.constant(0), tf.zeros([self.key.lanes]), predictions)
        most = tf.reduce_max(counts)
        _, total, predictions = tf.while_loop(lambda number, *_: number * width < most, one_pass, loop)
        by_lane = tf.experimental.numpy.moveaxis(predictions.stack(), 0, 1)  # lane, pass, row
        flat = tf.reshape(by_lane, [self.key.lanes, passes * width, *self.model.output_shape[1:]])
        return total / tf.cast(tf.maximum(counts, 1), tf.float32), flat

    def _evaluate_counted(self, of_lane: tuple[ModelValues, Any, Any, Any]) -> tuple[Any, Any]:
        values, x, y, counted = of_lane
        return evaluate(self.model, self._data_loss, values, x, y, counted)

    def _evaluate(self, values: ModelValues, x: Any, y: Any) -> tuple[Any, Any]:
        return evaluate(self.model, self._data_loss, values, x, y)


def _idle(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a call without epochs."""
    *others, size = arguments
    return *others, size._replace(epochs=tf.zeros_like(size.epochs))


def _slice(rows: Any, start: Any, width: int) -> Any:
    """Slice the last axis; the shape stays known."""
    before = rows.shape[:-1]
    return tf.slice(rows, [*(0 for _ in before), start], [*before, width])


def _array(size: int, element: tf.TensorShape) -> tf.TensorArray:
    """An array to write in a loop; what is never written is zeros."""
    return tf.TensorArray(tf.float32, size, element_shape=element)
