"""The four penalties, with keras.regularizers as the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.regularization import REGULARIZERS, Penalty, Regularizer

pytestmark = pytest.mark.slow


def keras_penalty(kind: Regularizer, strength: float, ratio: float, kernel: Any) -> float:
    from keras import regularizers

    match kind:
        case "none":
            return 0.0
        case "l1":
            return float(regularizers.L1(strength)(kernel))
        case "l2":
            return float(regularizers.L2(strength)(kernel))
        case "elastic_net":
            return float(regularizers.L1L2(l1=strength * ratio, l2=strength * (1 - ratio))(kernel))


@given(
    kind=st.sampled_from(REGULARIZERS),
    strength=st.floats(0, 100),
    ratio=st.floats(0, 1),
    seed=st.integers(0, 1000),
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=4),
)
def test_the_penalty_of_a_kernel_is_that_of_keras(
    kind: Regularizer, strength: float, ratio: float, seed: int, shape: list[int]
) -> None:
    kernel = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    penalty = Penalty(kind, strength, ratio).of(kernel)
    assert penalty == pytest.approx(keras_penalty(kind, strength, ratio, kernel), rel=1e-5, abs=1e-30)


def test_a_penalty_of_known_weights_is_the_sum_of_sizes_and_squares() -> None:
    kernel = np.array([[1.0, -2.0], [0.0, 3.0]])
    penalties = {kind: Penalty(kind, 0.1, 0.25).of(kernel) for kind in REGULARIZERS}
    assert penalties == pytest.approx({"none": 0.0, "l1": 0.6, "l2": 1.4, "elastic_net": 0.025 * 6 + 0.075 * 14})


@pytest.mark.parametrize(("ratio", "same_as"), [(0.0, "l2"), (1.0, "l1")])
def test_an_elastic_net_of_one_kind_only_is_that_kind(ratio: float, same_as: Regularizer) -> None:
    net, pure = Penalty("elastic_net", 0.3, ratio), Penalty(same_as, 0.3, 0.5)
    assert (net.l1, net.l2) == (pure.l1, pure.l2)


@given(strength=st.floats(0, 1e3), ratio=st.floats(0, 1))
def test_an_elastic_net_splits_its_strength_without_loss(strength: float, ratio: float) -> None:
    net = Penalty("elastic_net", strength, ratio)
    assert net.l1 + net.l2 == pytest.approx(strength)
