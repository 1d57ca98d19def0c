"""Keras' update rules on arrays that stack all lanes, each lane with its own learning rate and step count.

`stateless_apply` does not exist on the TensorFlow backend, so the formulas stand here, after keras.src.optimizers; a
test compares each with Keras' own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from studies.spec.optimizer import AdamSpec, AdamWSpec, OptimizerSpec, RmspropSpec, SgdSpec

Arrays = list[Any]
#: weight, its slots, gradient, the gradient's square, learning rate (shaped to broadcast), step counted from 1 -> new
#: weight, new slots, and η, the step size: the change of the weight per unit of a constant gradient
#: (studies.models.proximal).
Update = Callable[[Any, Sequence[Any], Any, Any, Any, Any], tuple[Any, Arrays, Any]]


@dataclass(frozen=True)
class UpdateRule:
    """The update rule of one optimizer."""

    slots: int  # arrays of state a weight
    update: Update


def update_rule(spec: OptimizerSpec) -> UpdateRule:
    """The update rule of an optimizer."""
    match spec:
        case AdamWSpec():
            return UpdateRule(2, _adamw(spec))
        case AdamSpec():
            return UpdateRule(2, _adam(spec))
        case SgdSpec():
            return UpdateRule(2 if spec.momentum else 0, _sgd(spec))
        case RmspropSpec():
            return UpdateRule(3 if spec.momentum else 1, _rmsprop(spec))


def _adam(spec: AdamSpec | AdamWSpec) -> Update:
    def update(
        weight: Any, slots: Sequence[Any], gradient: Any, squared: Any, rate: Any, step: Any
    ) -> tuple[Any, Arrays, Any]:
        mean, square = slots
        corrected_rate = rate * tf.sqrt(1 - tf.pow(spec.beta_2, step))
        alpha = corrected_rate / (1 - tf.pow(spec.beta_1, step))
        mean += (gradient - mean) * (1 - spec.beta_1)
        square += (squared - square) * (1 - spec.beta_2)
        # Divisions are what takes time here, so eta has none of its own.
        inverse = 1 / (tf.sqrt(square) + spec.epsilon)
        # The moment of a constant gradient has the first moment's correction in it already.
        return weight - mean * alpha * inverse, [mean, square], corrected_rate * inverse

    return update


def _adamw(spec: AdamWSpec) -> Update:
    adam = _adam(spec)

    def update(
        weight: Any, slots: Sequence[Any], gradient: Any, squared: Any, rate: Any, step: Any
    ) -> tuple[Any, Arrays, Any]:
        return adam(weight - weight * spec.weight_decay * rate, slots, gradient, squared, rate, step)

    return update


def _sgd(spec: SgdSpec) -> Update:
    def update(
        weight: Any, slots: Sequence[Any], gradient: Any, _squared: Any, rate: Any, _step: Any
    ) -> tuple[Any, Arrays, Any]:
        if not spec.momentum:
            return weight - rate * gradient, [], rate
        reach = slots[1] * spec.momentum + rate
        eta = reach * spec.momentum + rate if spec.nesterov else reach
        velocity = slots[0] * spec.momentum - rate * gradient
        change = velocity * spec.momentum - rate * gradient if spec.nesterov else velocity
        return weight + change, [velocity, reach], eta

    return update


def _rmsprop(spec: RmspropSpec) -> Update:
    def update(
        weight: Any, slots: Sequence[Any], gradient: Any, squared: Any, rate: Any, _: Any
    ) -> tuple[Any, Arrays, Any]:
        square = spec.rho * slots[0] + (1 - spec.rho) * squared
        increment = rate * gradient / tf.sqrt(square + spec.epsilon)
        eta = rate / tf.sqrt(square + spec.epsilon)
        if not spec.momentum:
            return weight - increment, [square], eta
        velocity = spec.momentum * slots[1] + increment
        reach = spec.momentum * slots[2] + eta
        return weight - velocity, [square, velocity, reach], reach

    return update
