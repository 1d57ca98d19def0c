"""The update of all lanes' weights in one step: the penalty's gradient, the optimizer and L1's proximal step."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from studies.training import weights
from studies.training.embedding import tables
from studies.training.lane_arrays import LaneKnobs, Lanes, TrainingSize, broadcast
from studies.training.optimizers import update_rule
from studies.training.program_key import ProgramKey
from studies.training.schedules import learning_rate_schedule
from studies.training.step import Gradients, ModelValues


class WeightUpdate:
    """The update of a model's weights, and the penalty on them."""

    def __init__(self, key: ProgramKey, model: keras.Model) -> None:
        self._rule = update_rule(key.optimizer)
        self._batch_size = key.capacity.batch_size
        self._learning_rate = learning_rate_schedule(key.schedule)
        self._lanes, self._proximal = key.lanes, key.l1_mode == "proximal"
        layers = weights.regularized(model, key.model)
        self.layers = len(layers)  # that are regularized
        layer_of = {
            variable.path: index for index, layer in enumerate(layers) for variable in layer.trainable_variables
        }
        variables = model.trainable_variables
        regularized = [i for i, variable in enumerate(variables) if variable.regularizer is not None]
        #: The layer of each regularized kernel, by the kernel's position among the weights.
        self.kernels = {i: layer_of[variables[i].path] for i in regularized if variables[i].name != "bias"}
        looked_up = [variable.path for variable in tables(model)]
        #: The place of each table among those that are looked up, by the table's position among the weights.
        self._tables = {i: looked_up.index(v.path) for i, v in enumerate(variables) if v.path in looked_up}
        #: Positions of the regularized biases.
        self.biases = [i for i in regularized if variables[i].name == "bias"]

    def empty_slots(self, values: ModelValues) -> list[list[Any]]:
        """The optimizer's slots of weights that are all zeros."""
        return [[weight] * self._rule.slots for weight in values.weights]

    def apply(self, lanes: Lanes, gradients: Gradients, knobs: LaneKnobs, size: TrainingSize) -> Lanes:
        """The lanes after one step with these gradients of the data loss."""
        step = lanes.step + 1
        epoch_steps = -(-size.rows // self._batch_size)
        all_steps = size.budget_epochs * epoch_steps
        learning_rate = self._learning_rate(knobs.learning_rate, lanes.step, epoch_steps, all_steps)
        new_weights, new_slots = [], []
        for position, weight in enumerate(lanes.model.weights):
            gradient = gradients.weights[position]
            proximal = self._proximal and position in self.kernels
            l1, l2 = (broadcast(strength, weight) for strength in self._strengths(position, knobs))
            # d/dw (λ1·|w| + λ2·w²); the gradient of |w| at 0 is 0, as TensorFlow has it.
            if position in self.kernels or position in self.biases:
                gradient += 2 * l2 * weight if proximal else l1 * tf.sign(weight) + 2 * l2 * weight
            squared = tf.square(gradient)
            if position in self._tables:
                # A penalty makes the gradient dense; without one Keras squares it by occurrence.
                occurrences = gradients.squares[self._tables[position]]
                squared = tf.where(l1 + l2 > 0, squared, occurrences) if position in self.kernels else occurrences
            rate, count = broadcast(learning_rate, weight), broadcast(step, weight)
            updated, slots, eta = self._rule.update(weight, lanes.slots[position], gradient, squared, rate, count)
            new_weights.append(_soft_threshold(updated, eta * l1) if proximal else updated)
            new_slots.append(slots)
        return Lanes(ModelValues(new_weights, list(gradients.state)), new_slots, step)

    def penalty(self, values: ModelValues, knobs: LaneKnobs) -> Any:
        """λ1·Σ|w| + λ2·Σw² of the regularized weights, by lane."""
        total = tf.zeros([self._lanes])
        for position in (*self.kernels, *self.biases):
            l1, l2 = self._strengths(position, knobs)
            flat = tf.reshape(values.weights[position], [self._lanes, -1])
            total += l1 * tf.reduce_sum(tf.abs(flat), 1) + l2 * tf.reduce_sum(tf.square(flat), 1)
        return total

    def by_layer(self, values: ModelValues) -> list[list[Any]]:
        """The kernels of each regularized layer."""
        return [[values.weights[p] for p, owner in self.kernels.items() if owner == i] for i in range(self.layers)]

    def _strengths(self, position: int, knobs: LaneKnobs) -> tuple[Any, Any]:
        """λ1 and λ2 of a kernel in every lane, or of the biases."""
        if position in self.kernels:
            layer = self.kernels[position]
            return knobs.l1[:, layer], knobs.l2[:, layer]
        return knobs.bias[:, 0], knobs.bias[:, 1]


def _soft_threshold(weight: Any, by: Any) -> Any:
    """The proximal step of `by`·|w|: sign(w)·max(|w| − by, 0)."""
    return tf.sign(weight) * tf.maximum(tf.abs(weight) - by, 0.0)
