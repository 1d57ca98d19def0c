"""Keras' update rules on arrays that stack all lanes, each lane with its own learning rate and step count.

`stateless_apply` does not exist on the TensorFlow backend, so the formulas stand here, after keras.src.optimizers; a
test holds each against Keras' own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from studies.spec.optimizer import AdamSpec, AdamWSpec, OptimizerSpec, RmspropSpec, SgdSpec

Arrays = list[Any]
#: weight, its slots, gradient, learning rate (shaped to broadcast), step counted from 1 -> new weight, new slots, and
#: the size of the step: what the weight moves by for each unit of a gradient that lasts (studies.models.proximal).
Update = Callable[[Any, Sequence[Any], Any, Any, Any], tuple[Any, Arrays, Any]]


@dataclass(frozen=True)
class Rule:
    """One optimizer."""

    slots: int  # arrays of state a weight
    update: Update


def update_rule(spec: OptimizerSpec) -> Rule:
    """The update rule of an optimizer."""
    match spec:
        case AdamWSpec():
            return Rule(2, _adamw(spec))
        case AdamSpec():
            return Rule(2, _adam(spec))
        case SgdSpec():
            return Rule(2 if spec.momentum else 0, _sgd(spec))
        case RmspropSpec():
            return Rule(3 if spec.momentum else 1, _rmsprop(spec))


def _adam(spec: AdamSpec | AdamWSpec) -> Update:
    def update(weight: Any, slots: Sequence[Any], gradient: Any, rate: Any, step: Any) -> tuple[Any, Arrays, Any]:
        mean, square = slots
        alpha = rate * tf.sqrt(1 - tf.pow(spec.beta_2, step)) / (1 - tf.pow(spec.beta_1, step))
        mean += (gradient - mean) * (1 - spec.beta_1)
        square += (tf.square(gradient) - square) * (1 - spec.beta_2)
        # The first moment's correction is in the moment of a gradient that lasts already.
        size = rate * tf.sqrt(1 - tf.pow(spec.beta_2, step)) / (tf.sqrt(square) + spec.epsilon)
        return weight - mean * alpha / (tf.sqrt(square) + spec.epsilon), [mean, square], size

    return update


def _adamw(spec: AdamWSpec) -> Update:
    adam = _adam(spec)

    def update(weight: Any, slots: Sequence[Any], gradient: Any, rate: Any, step: Any) -> tuple[Any, Arrays, Any]:
        return adam(weight - weight * spec.weight_decay * rate, slots, gradient, rate, step)

    return update


def _sgd(spec: SgdSpec) -> Update:
    def update(weight: Any, slots: Sequence[Any], gradient: Any, rate: Any, _: Any) -> tuple[Any, Arrays, Any]:
        if not spec.momentum:
            return weight - rate * gradient, [], rate
        reach = slots[1] * spec.momentum + rate
        size = reach * spec.momentum + rate if spec.nesterov else reach
        velocity = slots[0] * spec.momentum - rate * gradient
        moved = velocity * spec.momentum - rate * gradient if spec.nesterov else velocity
        return weight + moved, [velocity, reach], size

    return update


def _rmsprop(spec: RmspropSpec) -> Update:
    def update(weight: Any, slots: Sequence[Any], gradient: Any, rate: Any, _: Any) -> tuple[Any, Arrays, Any]:
        square = spec.rho * slots[0] + (1 - spec.rho) * tf.square(gradient)
        increment = rate * gradient / tf.sqrt(square + spec.epsilon)
        size = rate / tf.sqrt(square + spec.epsilon)
        if not spec.momentum:
            return weight - increment, [square], size
        velocity = spec.momentum * slots[1] + increment
        reach = spec.momentum * slots[2] + size
        return weight - velocity, [square, velocity, reach], reach

    return update
