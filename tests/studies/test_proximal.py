"""The proximal step: L1's optimality conditions hold from an optimizer's first step to its last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.studies.documents import Document

pytestmark = pytest.mark.slow

OPTIMIZERS: dict[str, Document] = {
    "adam": {"name": "adam"},
    "adamw": {"name": "adamw", "weight_decay": 0},
    "sgd": {"name": "sgd"},
    "sgd with momentum": {"name": "sgd", "momentum": 0.9},
    "sgd with nesterov momentum": {"name": "sgd", "momentum": 0.9, "nesterov": True},
    "rmsprop": {"name": "rmsprop"},
    "rmsprop with momentum": {"name": "rmsprop", "momentum": 0.5},
}
KINDS = {"adam": "ProximalAdam", "adamw": "ProximalAdamW", "sgd": "ProximalSGD", "rmsprop": "ProximalRMSprop"}
STEPS, RATE, LAMBDA = 50, 0.01, 0.1

EVERY = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def course(optimizer: str, start: float, gradient: Callable[[float], float]) -> list[float]:
    """A weight after each step from a start, under a data loss of this gradient, L1 and a rate that falls to 0."""
    import keras

    from studies.models import proximal

    options: dict[str, Any] = {**OPTIMIZERS[optimizer]}
    rate = keras.optimizers.schedules.CosineDecay(RATE, STEPS)
    moves = getattr(proximal, KINDS[options.pop("name")])(learning_rate=rate, **options)
    weight = keras.Variable(np.array([start], np.float32), name="kernel")
    weight.regularizer = keras.regularizers.L1(LAMBDA)
    moves.build([weight])
    found = [start]
    for _ in range(STEPS):
        # What Keras hands to an optimizer holds the penalty's gradient.
        whole = gradient(found[-1]) + LAMBDA * np.sign(found[-1])
        moves.apply_gradients([(np.array([whole], np.float32), weight)])
        found.append(weight.numpy().item())
    return found[1:]


@EVERY
@pytest.mark.parametrize("start", [-0.5, 0.5])
def test_a_weight_whose_data_loss_pulls_as_much_as_l1_stays_where_it_is(optimizer: str, start: float) -> None:
    weights = course(optimizer, start, lambda weight: -LAMBDA if weight > 0 else LAMBDA)
    assert weights == pytest.approx([start] * STEPS, abs=1e-4)


@EVERY
def test_a_weight_at_zero_whose_data_loss_pulls_less_than_l1_stays_exactly_zero(optimizer: str) -> None:
    assert course(optimizer, 0.0, lambda _: -0.9 * LAMBDA) == [0.0] * STEPS


@EVERY
def test_a_weight_at_zero_whose_data_loss_pulls_more_than_l1_leaves_at_once(optimizer: str) -> None:
    weights = course(optimizer, 0.0, lambda _: -1.1 * LAMBDA)
    assert weights[0] > 0
    assert np.all(np.diff(weights) >= 0)


@EVERY
def test_l1_alone_takes_a_weight_to_exactly_zero(optimizer: str) -> None:
    weights = course(optimizer, 0.002, lambda _: 0.0)
    assert weights[-1] == 0.0
    assert min(weights) >= 0
