"""Keras' learning-rate schedules on arrays with an entry a lane, after keras.src.optimizers.schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from studies.spec.optimizer import CosineSpec, ExponentialSpec, ScheduleSpec

#: initial learning rate, steps taken before -> learning rate of this step; all by lane
Schedule = Callable[[Any, Any], Any]


def learning_rate_schedule(spec: ScheduleSpec, epoch_steps: int, all_steps: int) -> Schedule:
    """The schedule of a learning rate, from the steps of an epoch and of all epochs."""
    match spec:
        case CosineSpec():
            return _cosine(spec.alpha, all_steps)
        case ExponentialSpec():
            return lambda initial, step: initial * tf.pow(spec.decay_rate, step / epoch_steps)
    return lambda initial, _: initial


def _cosine(alpha: float, steps: int) -> Schedule:
    def rate(initial: Any, step: Any) -> Any:
        share = 0.5 * (1 + tf.cos(math.pi * tf.minimum(step / steps, 1.0)))
        return initial * ((1 - alpha) * share + alpha)

    return rate
