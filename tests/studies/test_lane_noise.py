"""The noise that lanes draw: its distribution is that of Keras' own layers, and no two draws are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from studies.datasets.preprocessing import PreparedData, prepare
from studies.hyperparameters import Hyperparameters
from studies.regularization import Regularization
from studies.spec.study import StudySpec
from studies.training.result import Job
from tests.studies.laning import program_of
from tests.studies.own_models import IMAGES, OWN_MODELS
from tests.studies.test_lanes_contract import small
from tests.studies.test_own_models import RATES, built, spec_of

pytestmark = pytest.mark.slow

#: Layers over a series that drop something within them, at the rate of the first regularized layer.
WITHIN: dict[str, Callable[[Any, Any], Any]] = {
    "MultiHeadAttention": lambda layers, x: layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x),
    "Attention": lambda layers, x: layers.Attention(dropout=0.1)([x, layers.Dense(8)(x)]),
    "AdditiveAttention": lambda layers, x: layers.AdditiveAttention(dropout=0.1)([x, x]),
    "LSTM": lambda layers, x: layers.LSTM(3, dropout=0.1)(x),
    "GRU": lambda layers, x: layers.GRU(3, dropout=0.1, return_sequences=True)(x),
    "SimpleRNN backwards": lambda layers, x: layers.SimpleRNN(3, dropout=0.1, go_backwards=True)(x),
    "Bidirectional": lambda layers, x: layers.Bidirectional(layers.LSTM(2, dropout=0.1))(x),
    "backward layer": lambda layers, x: layers.Bidirectional(
        layers.LSTM(2), backward_layer=layers.LSTM(2, dropout=0.1, go_backwards=True)
    )(x),
    "TimeDistributed Dropout": lambda layers, x: layers.TimeDistributed(layers.Dropout(0.1))(x),
    "TimeDistributed GaussianNoise": lambda layers, x: layers.TimeDistributed(layers.GaussianNoise(0.1))(x),
    "TimeDistributed LSTM": lambda layers, x: layers.TimeDistributed(layers.LSTM(2, dropout=0.1))(
        layers.Reshape((4, 2, 8))(x)
    ),
}


def lane_model_of(spec: StudySpec, data: PreparedData) -> Any:
    """The model in a program of lanes."""
    job = Job(0, spec, Hyperparameters(Regularization.shared("l1", 0.1, 0.0, 0.1), 5, 0.01, 16), 0)
    return program_of([job], data, 1).model


def test_dropout_noise_is_uniform_and_its_bits_are_their_own() -> None:
    import tensorflow as tf
    from scipy import stats

    from studies.training.knobs import Knobs, using
    from studies.training.noise import KnobDropout, mix

    ones, rate = tf.ones([200, 64]), 0.3
    masks, layer, other_layer = [], KnobDropout(0), KnobDropout(1)
    for key in range(4):
        knobs = Knobs(tf.constant([rate, rate]), tf.zeros([2]), mix(tf.constant(key, tf.uint32)), ones[:, 0], 200.0)
        with using(knobs):
            calls = [each(ones, training=True).numpy() for each in (layer, other_layer, layer)]
        with using(knobs):  # the same step again
            np.testing.assert_array_equal(layer(ones, training=True), calls[0])
        for dropped in calls:
            assert set(np.unique(dropped).tolist()) <= {0.0, np.float32(1 / (1 - rate)).item()}
            masks.append((dropped == 0).astype(int).ravel())
    shares = np.array([mask.sum() for mask in masks])
    # Each mask is 12,800 Bernoulli draws; no two masks (also of one layer that a step calls twice) and no neighbours in
    # one have to do with each other.
    assert min(stats.binomtest(int(share), 12_800, rate).pvalue for share in shares) > 1e-3
    for one in range(len(masks)):
        assert abs(np.corrcoef(masks[one][:-1], masks[one][1:])[0, 1]) < 0.04
        for other in range(one):
            assert abs(np.corrcoef(masks[one], masks[other])[0, 1]) < 0.04


@pytest.mark.parametrize("kind", ["Dropout", "SpatialDropout1D", "AlphaDropout", "GaussianDropout", "GaussianNoise"])
def test_noise_has_the_distribution_of_keras_own(kind: str) -> None:
    import keras
    import tensorflow as tf
    from scipy import stats

    from studies.models.architecture import Architecture
    from studies.models.expression import Expression
    from studies.training.knobs import Knobs, using
    from studies.training.lane_model import lane_model

    argument = {"stddev" if kind == "GaussianNoise" else "rate": 0.3}
    knob = {"stddev": 0.3} if kind == "GaussianNoise" else {"rate": 0}
    layers = (Expression("Input", {"shape": (25, 8)}), Expression(f"layers.{kind}", knob))
    model = lane_model(Architecture(layers, "mse"))
    inputs = tf.random.stateless_normal([400, 25, 8], seed=[0, 1])
    with using(Knobs(tf.constant([0.3]), tf.zeros([2]), tf.constant(7, tf.uint32), tf.ones([400]), 400.0)):
        mine = model(inputs, training=True).numpy()[:, 0].ravel()
    keras.utils.set_random_seed(0)
    theirs = np.asarray(getattr(keras.layers, kind)(**argument)(inputs, training=True))[:, 0].ravel()
    # One step of each series, for SpatialDropout drops all steps of a channel.
    assert stats.ks_2samp(mine, theirs).pvalue > 0.01
    assert mine.std() == pytest.approx(theirs.std(), rel=0.06)
    assert np.array_equal(model(inputs, training=False).numpy(), inputs)


@pytest.mark.parametrize("name", ["mlp", "residual mlp"])
def test_a_lane_drops_at_the_rate_of_the_layer_that_fit_builds(name: str) -> None:
    import tensorflow as tf

    from studies.training.knobs import Knobs, using

    dataset, model, _ = OWN_MODELS[name]
    spec, ones = spec_of(dataset, model(), insert_dropout=True), tf.ones([500, 64])
    lane = lane_model_of(spec, small(prepare(spec.dataset, 0)))
    with using(Knobs(tf.constant([0.1, 0.2, 0.3]), tf.zeros([2]), tf.constant(7, tf.uint32), ones[:, 0], 500.0)):
        shares = [np.mean(each(ones, training=True) == 0) for each in lane.layers if "dropout" in each.name]
    rates = [each.rate for each in built(spec, RATES).layers if hasattr(each, "rate")]
    assert shares == pytest.approx(rates, abs=0.01)
    assert len(set(rates)) > 1


def test_an_array_too_large_for_a_constant_has_the_noise_of_a_small_one() -> None:
    import tensorflow as tf

    from studies.training.knobs import Knobs, using
    from studies.training.noise import KnobDropout

    knobs = Knobs(tf.constant([0.3]), tf.zeros([2]), tf.constant(7, tf.uint32), tf.ones([1]), 1.0)
    drawn = []
    for rows in (1 << 10, 1 << 16):
        with using(knobs):
            drawn.append(KnobDropout(0)(tf.ones([rows, 32]), training=True))
    np.testing.assert_array_equal(drawn[0], drawn[1][: 1 << 10])


@pytest.mark.parametrize("kind", WITHIN)
def test_what_is_dropped_within_a_layer_has_the_distribution_of_keras_own(kind: str) -> None:
    import keras
    import tensorflow as tf
    from scipy import stats

    from studies.training.knobs import Knobs, using

    keras.utils.set_random_seed(0)
    given, layers = keras.Input((8, 8, 1)), keras.layers
    x = layers.Flatten()(WITHIN[kind](layers, layers.Reshape((8, 8))(given)))
    spec = spec_of(IMAGES, keras.Model(given, layers.Dense(10, activation="softmax")(x)))
    data, rate = small(prepare(spec.dataset, 0)), 0.4
    theirs, mine = built(spec, Regularization.shared("none", 0.0, 0.0, rate)), lane_model_of(spec, data)
    for lane_weight, weight in zip(mine.weights, theirs.weights, strict=True):
        lane_weight.assign(weight)
    row = np.repeat(data.train.x[:1], 3000, axis=0)  # so that noise alone makes the outputs differ, beyond rounding
    with using(Knobs(tf.constant([rate]), tf.zeros([2]), tf.constant(7, tf.uint32), tf.ones([3000]), 3000.0)):
        drawn = mine(row, training=True).numpy().round(5)
    expected = theirs(row, training=True).numpy().round(5)
    for output in range(3):
        assert stats.ks_2samp(drawn[:, output], expected[:, output]).pvalue > 1e-3  # of 36 in all
    np.testing.assert_allclose(drawn.std(axis=0), expected.std(axis=0), rtol=0.1)
    np.testing.assert_allclose(mine(row, training=False), theirs(row, training=False), atol=1e-6)
