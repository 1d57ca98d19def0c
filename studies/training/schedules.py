"""Keras' learning-rate schedules on arrays with an entry a lane, after keras.src.optimizers.schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from studies.spec.optimizer import CosineSpec, ExponentialSpec, ScheduleSpec

#: initial learning rate, steps taken before, steps of an epoch and of all epochs -> learning rate of this step; the
#: first two and the result by lane
Schedule = Callable[[Any, Any, Any, Any], Any]


def learning_rate_schedule(spec: ScheduleSpec) -> Schedule:
    """The schedule of a learning rate."""
    match spec:
        case CosineSpec():
            return _cosine(spec.alpha)
        case ExponentialSpec():
            return lambda initial, step, epoch_steps, _: initial * tf.pow(spec.decay_rate, step / _float(epoch_steps))
    return lambda initial, *_: initial


def _cosine(alpha: float) -> Schedule:
    def rate(initial: Any, step: Any, _: Any, all_steps: Any) -> Any:
        share = 0.5 * (1 + tf.cos(math.pi * tf.minimum(step / _float(all_steps), 1.0)))
        return initial * ((1 - alpha) * share + alpha)

    return rate


def _float(steps: Any) -> Any:
    return tf.cast(steps, tf.float32)
