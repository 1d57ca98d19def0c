"""Early stopping as a pure rule, with keras.callbacks.EarlyStopping as the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.objectives import Direction
from studies.training.early_stopping import EarlyStopping, EarlyStoppingState

pytestmark = pytest.mark.slow


class EpochModel:
    """What Keras' callback needs of a model; its weights are the number of the epoch it is in."""

    def __init__(self) -> None:
        self.epoch = -1
        self.stop_training = False
        self.restored: int | None = None

    def get_weights(self) -> list[Any]:
        return [self.epoch]

    def set_weights(self, weights: list[Any]) -> None:
        self.restored = weights[0]


def keras_run(rule: EarlyStopping, curve: Sequence[float]) -> tuple[int | None, int | None]:
    """The epoch Keras stops in, None if it does not, and the epoch whose weights it restores."""
    from keras.callbacks import EarlyStopping as KerasEarlyStopping

    callback = KerasEarlyStopping(
        monitor="val",
        mode="min" if rule.direction == "minimize" else "max",
        patience=rule.patience,
        min_delta=rule.min_delta,
        start_from_epoch=rule.start_from_epoch,
        restore_best_weights=True,
    )
    model = EpochModel()
    callback.set_model(model)
    callback.on_train_begin()
    stopped: int | None = None
    for epoch, value in enumerate(curve):
        model.epoch = epoch
        callback.on_epoch_end(epoch, {"val": value})
        if model.stop_training:
            stopped = epoch
            break
    callback.on_train_end()
    return stopped, model.restored


def our_run(rule: EarlyStopping, curve: Sequence[float]) -> tuple[int | None, int | None]:
    state = EarlyStoppingState()
    for epoch, value in enumerate(curve):
        state = rule.update(state, epoch, value)
        if state.stopped:
            return epoch, state.best_epoch
    return None, state.best_epoch


RULES = st.builds(
    EarlyStopping,
    patience=st.integers(1, 5),
    min_delta=st.one_of(st.just(0.0), st.floats(0, 2), st.sampled_from([0.25, 1e-8])),
    start_from_epoch=st.integers(0, 4),
    direction=st.sampled_from(["minimize", "maximize"]),
)
#: Few different values, so that ties and steps of exactly min_delta are common; and any float32 at all.
CURVES = st.one_of(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), max_size=15),
    st.lists(st.floats(-1e6, 1e6, width=32), max_size=15),
    st.lists(st.integers(0, 20).map(lambda step: 0.1 + step * 1e-9), max_size=15),  # apart by less than float32 tells
)


@settings(max_examples=200)
@given(rule=RULES, curve=CURVES)
def test_training_stops_and_is_best_in_the_epochs_that_keras_finds(rule: EarlyStopping, curve: list[float]) -> None:
    assert our_run(rule, curve) == keras_run(rule, curve)


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1.0), ("maximize", -1.0)])
def test_a_curve_that_turns_stops_after_its_patience(direction: Direction, sign: float) -> None:
    curve = [sign * value for value in (3.0, 2.0, 1.0, 1.5, 1.2, 1.1, 0.5)]
    assert our_run(EarlyStopping(patience=3, direction=direction), curve) == (5, 2)
    assert our_run(EarlyStopping(patience=4, direction=direction), curve) == (None, 6)


def test_a_change_of_less_than_min_delta_is_no_improvement() -> None:
    assert our_run(EarlyStopping(patience=2, min_delta=0.1), [1.0, 0.95, 0.92]) == (2, 0)


def test_epochs_before_the_start_are_not_watched() -> None:
    assert our_run(EarlyStopping(patience=1, start_from_epoch=2), [0.0, 5.0, 4.0, 3.0]) == (None, 3)


def test_a_value_that_is_not_a_number_never_improves() -> None:
    curve = [1.0, np.nan, np.nan]
    assert our_run(EarlyStopping(patience=2), curve) == (2, 0) == keras_run(EarlyStopping(patience=2), curve)
