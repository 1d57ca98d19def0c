"""The compiled program of many lanes: one call trains a model in every lane for some epochs.

All that differs between trials is a value here: weights, optimizer state, knobs, data order, noise. All that forces
another program is in its ProgramKey.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from studies.models.architecture import design
from studies.training.fold_arrays import FoldArrays
from studies.training.initial import draw_values
from studies.training.knobs import Knobs
from studies.training.lane_arrays import Carry, Epochs, LaneKnobs, Lanes, broadcast, choose_by_lane
from studies.training.lane_model import lane_model
from studies.training.noise import mix
from studies.training.program_key import ProgramKey
from studies.training.result import Job
from studies.training.step import ModelValues, evaluate, gradients
from studies.training.weight_update import WeightUpdate

_ROWS_A_PASS = 4096  # validation rows evaluated at once in every lane; bounds memory


class Program:
    """The functions of one ProgramKey; compiled when first called."""

    def __init__(self, key: ProgramKey) -> None:
        self.key = key
        architecture = design(key.model, key.input_shape, key.task, key.classes, key.regularization)
        self.model = lane_model(architecture)
        self.update = WeightUpdate(key, self.model)
        self._data_loss = keras.losses.get(architecture.loss)
        self._traced = tf.function(self._train, autograph=False)
        self.train = _compile(self._traced) if key.xla else self._traced
        self.reset = tf.function(self._reset, autograph=False)
        self.restore = tf.function(self._restore, autograph=False)
        self.evaluate = tf.function(self._evaluate, autograph=False, reduce_retracing=True)

    @cached_property
    def compiled(self) -> Program:
        """The same program compiled by XLA; they share their model and all that is traced."""
        program = copy(self)
        program.key, program.train = replace(self.key, xla=True), _compile(self._traced)
        return program

    def knobs(self, jobs: Mapping[int, Job], fold_indices: Mapping[int, int]) -> LaneKnobs:
        """The knobs of the jobs by lane; `fold_indices` says where each job's fold lies among the program's."""
        return LaneKnobs.of(jobs, fold_indices, self.key.lanes, self.update.layers)

    def empty(self) -> Carry:
        """A carry whose lanes hold zeros."""
        trainable, rest = self.model.trainable_variables, self.model.non_trainable_weights

        def zeros(*axes: int) -> ModelValues:
            return ModelValues(
                *([tf.zeros([*axes, *variable.shape]) for variable in variables] for variables in (trainable, rest))
            )

        values = zeros(self.key.lanes)
        lanes = Lanes(values, self.update.empty_slots(values), tf.zeros([self.key.lanes]))
        return Carry(lanes, zeros(self.key.epochs, self.key.lanes), values)

    def initial(self, seed: int) -> ModelValues:
        """Draw the initial values of one lane by the layers' own initializers."""
        values = draw_values(self.model, seed)
        return ModelValues(
            [values[variable.path] for variable in self.model.trainable_variables],
            [values[variable.path] for variable in self.model.non_trainable_weights],
        )

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

    def _train(self, carry: Carry, keep: Any, knobs: LaneKnobs, order: Any, data: FoldArrays) -> tuple[Carry, Epochs]:
        """Keep the best weights of the call before, then train and evaluate every lane for some epochs.

        `keep` says for each lane which epoch of the call before was its best so far, −1 for none of them. `order` holds
        the indices of training rows, by epoch and lane, in the order they are trained.
        """
        kept = tf.greater_equal(keep, 0)
        at = tf.stack([tf.maximum(keep, 0), tf.range(self.key.lanes)], axis=1)  # of each lane, its epoch
        ended = ModelValues(*([tf.gather_nd(array, at) for array in arrays] for arrays in carry.ended))
        best = ModelValues(*(choose_by_lane(kept, *pair) for pair in zip(ended, carry.best, strict=True)))

        def one_epoch(epoch: Any, lanes: Lanes, gathered: Any) -> Any:
            lanes, results = self._epoch(lanes, knobs, order[epoch], data)
            arrays = tf.nest.flatten(results)
            return epoch + 1, lanes, [array.write(epoch, value) for array, value in zip(gathered, arrays, strict=True)]

        shapes = self._epoch_shapes()
        count = self.key.epochs
        gathered = [tf.TensorArray(tf.float32, count, element_shape=shape) for shape in tf.nest.flatten(shapes)]
        loop = (tf.constant(0), carry.lanes, gathered)
        _, lanes, gathered = tf.while_loop(lambda epoch, *_: epoch < count, one_epoch, loop, maximum_iterations=count)
        epochs = tf.nest.pack_sequence_as(shapes, [array.stack() for array in gathered])
        return Carry(lanes, epochs.ended, best), epochs

    def _epoch_shapes(self) -> Epochs:
        """The shapes of one epoch's results."""
        variables = self.model.trainable_variables, self.model.non_trainable_weights
        ended = ModelValues(*([self._by_lane(*variable.shape) for variable in kind] for kind in variables))
        predictions = self._by_lane(self.key.validation_rows, *self.model.output_shape[1:])
        return Epochs(self._by_lane(), self._by_lane(), self._by_lane(), predictions, ended)

    def _by_lane(self, *axes: int) -> tf.TensorShape:
        return tf.TensorShape([self.key.lanes, *axes])

    def _epoch(self, lanes: Lanes, knobs: LaneKnobs, order: Any, data: FoldArrays) -> tuple[Lanes, Epochs]:
        size, rows = self.key.batch_size, self.key.train_rows
        full, rest = divmod(rows, size)
        loss_sum = tf.zeros([self.key.lanes])

        def one_batch(batch: Any, lanes: Lanes, loss_sum: Any) -> Any:
            return batch + 1, *self._batch(lanes, loss_sum, knobs, order, data, batch * size, size)

        if full:
            loop = (tf.constant(0), lanes, loss_sum)
            _, lanes, loss_sum = tf.while_loop(lambda batch, *_: batch < full, one_batch, loop, maximum_iterations=full)
        if rest:
            # Keras' last batch is smaller, so it is a step of its own and not padded.
            lanes, loss_sum = self._batch(lanes, loss_sum, knobs, order, data, full * size, rest)
        loss, predictions = self._validate(lanes.model, knobs.fold, data)
        return lanes, Epochs(loss_sum / rows, self.update.penalty(lanes.model, knobs), loss, predictions, lanes.model)

    def _batch(
        self, lanes: Lanes, loss_sum: Any, knobs: LaneKnobs, order: Any, data: FoldArrays, start: Any, size: int
    ) -> tuple[Lanes, Any]:
        indices = tf.slice(order, [0, start], [self.key.lanes, size])
        noise = mix(tf.bitwise.bitwise_xor(knobs.seed, mix(tf.cast(lanes.step, tf.uint32))))

        def lane_gradients(of_lane: Any) -> Any:
            values, x, y, lane_knobs, *row_weights = of_lane
            return gradients(self.model, self._data_loss, values, x, y, Knobs(*lane_knobs), *row_weights)

        rows = tf.gather(data.x, indices), tf.gather(data.y, indices)
        row_weights = () if data.weights is None else (tf.gather(data.weights, indices),)
        by_lane = (lanes.model, *rows, (knobs.dropout, knobs.activity, noise), *row_weights)
        step = tf.vectorized_map(lane_gradients, by_lane, fallback_to_while_loop=False)
        return self.update.apply(lanes, step, knobs), loss_sum + step.data_loss * size

    def _validate(self, values: ModelValues, fold: Any, data: FoldArrays) -> tuple[Any, Any]:
        """Mean data loss and predictions on the validation rows of each lane's fold."""
        total, predictions = tf.zeros([self.key.lanes]), []
        counts = tf.gather(data.validation_rows, fold)
        for start in range(0, self.key.validation_rows, _ROWS_A_PASS):
            rows = np.arange(start, min(start + _ROWS_A_PASS, self.key.validation_rows))
            if self.key.folds == 1:
                shared = data.validation_x[start : start + len(rows)], data.validation_y[start : start + len(rows)]
                of_lane: Any = partial(self._evaluate_shared, *shared)
                by_lane: Any = values
            else:
                by_fold = (part[:, start : start + len(rows)] for part in (data.validation_x, data.validation_y))
                x, y = (tf.gather(part, fold) for part in by_fold)
                counted = tf.cast(rows < counts[:, None], tf.float32)
                of_lane, by_lane = self._evaluate_counted, (values, x, y, counted)
            loss, predicted = tf.vectorized_map(of_lane, by_lane, fallback_to_while_loop=False)
            total += loss
            predictions.append(predicted)
        return total / tf.cast(counts, tf.float32), tf.concat(predictions, axis=1)

    def _evaluate_shared(self, x: Any, y: Any, values: ModelValues) -> tuple[Any, Any]:
        return self._evaluate(values, x, y)

    def _evaluate_counted(self, of_lane: tuple[ModelValues, Any, Any, Any]) -> tuple[Any, Any]:
        values, x, y, counted = of_lane
        return evaluate(self.model, self._data_loss, values, x, y, counted)

    def _evaluate(self, values: ModelValues, x: Any, y: Any) -> tuple[Any, Any]:
        return evaluate(self.model, self._data_loss, values, x, y)


def _compile(traced: Callable[..., Any]) -> Any:
    """Let XLA compile a traced function."""

    def train(*arguments: Any) -> Any:
        return traced(*arguments)

    return tf.function(train, jit_compile=True, autograph=False)
