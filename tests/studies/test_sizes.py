"""The parameters of a model are counted as Keras counts them, for every layer and operation that is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from studies.keras_config import reading, sizes
from studies.keras_config.catalog import LAYERS, OPERATIONS
from studies.keras_config.compatibility import check_fits_dataset
from studies.keras_config.errors import ConfigError
from studies.keras_config.raw_values import find_raw_values
from studies.models.architecture import design
from studies.models.size import count_parameters
from studies.regularization import Regularization
from studies.study_file import parse
from tests.studies.documents import Document
from tests.studies.own_models import BINARY, IMAGES, OWN_MODELS

pytestmark = pytest.mark.slow

OURS: dict[str, tuple[Document, Document]] = {
    "linear": (BINARY, {"kind": "mlp", "hidden_units": []}),
    "mlp": (BINARY, {"kind": "mlp", "hidden_units": [5, 3]}),
    "mlp with batch norm on images": (IMAGES, {"kind": "mlp", "hidden_units": [5, 3], "batch_norm": True}),
    "cnn": (IMAGES, {"kind": "cnn", "filters": [2, 3, 4], "kernel_size": 5, "hidden_units": [4]}),
    "cnn with batch norm": (IMAGES, {"kind": "cnn", "filters": [2], "hidden_units": [], "batch_norm": True}),
}


@pytest.mark.parametrize("name", OURS)
def test_our_models_have_as_many_as_keras_counts(name: str) -> None:
    dataset, model = OURS[name]
    spec = parse({"dataset": dataset, "model": model})
    facts, nothing = spec.dataset.facts, Regularization.shared("none", 0.0, 0.0, 0.0)
    built = design(spec.model, facts.shape, facts.task, facts.classes, nothing).build()
    assert count_parameters(spec) == built.count_params()


@pytest.mark.parametrize("name", OWN_MODELS)
def test_users_models_have_as_many_as_keras_counts(name: str) -> None:
    dataset, make, _ = OWN_MODELS[name]
    model = make()
    spec = parse({"dataset": dataset, "model": {"kind": "keras", "config": model.to_json()}})
    assert count_parameters(spec) == model.count_params()


def series() -> Any:
    """Every layer over a series of 12 steps."""
    import keras
    from keras import layers

    given = keras.Input((12, 6))
    x = layers.Conv1D(4, 3, strides=2, groups=2, padding="causal", use_bias=False)(given)
    x = layers.ZeroPadding1D((1, 2))(layers.UpSampling1D(3)(x))
    x = layers.Cropping1D((2, 1))(layers.ZeroPadding1D(2)(x))
    x = layers.SeparableConv1D(5, 3, depth_multiplier=2)(x)
    x = layers.DepthwiseConv1D(2, depth_multiplier=3, padding="same")(x)
    x = layers.Conv1DTranspose(4, 5, strides=2)(x)
    x = layers.Conv1DTranspose(4, 2, strides=3, padding="same")(x)
    x = layers.AveragePooling1D(2)(layers.MaxPooling1D(3, strides=2, padding="same")(x))
    x = layers.SpatialDropout1D(0.1)(layers.RMSNormalization()(layers.UnitNormalization()(x)))
    x = layers.GRU(3, reset_after=False, return_sequences=True)(x)
    x = layers.GRU(4, use_bias=False, return_sequences=True)(x)
    one = layers.Bidirectional(layers.SimpleRNN(3), merge_mode="sum")(x)
    other = layers.Bidirectional(layers.LSTM(2), backward_layer=layers.GRU(2, go_backwards=True))(x)
    x = layers.Reshape((7, 1))(layers.Concatenate()([one, other]))
    x = layers.TimeDistributed(layers.Dense(5))(x)
    x = layers.PReLU(shared_axes=[1])(layers.PReLU()(x))
    mean, peak = layers.GlobalAveragePooling1D(keepdims=True)(x), layers.GlobalMaxPooling1D()(x)
    x = layers.Concatenate()([layers.Flatten()(mean), peak])
    x = layers.Permute((2, 1))(layers.RepeatVector(3)(x))
    return keras.Model(given, layers.Dense(1)(layers.Flatten()(x)))


def image() -> Any:
    """Every layer over an image of 12×10."""
    import keras
    from keras import layers

    given = keras.Input((12, 10, 4))
    x = layers.Conv2D(6, (3, 2), dilation_rate=(2, 1), groups=2)(given)
    x = layers.ZeroPadding2D(((1, 0), (2, 1)))(layers.ZeroPadding2D(1)(x))
    x = layers.Cropping2D(((1, 1), (0, 2)))(layers.Cropping2D((1, 0))(x))
    x = layers.GroupNormalization(3)(layers.BatchNormalization(scale=False)(x))
    x = layers.LayerNormalization(center=False)(layers.LayerNormalization(axis=(1, 3))(x))
    x = layers.SeparableConv2D(4, 3, depth_multiplier=2, padding="same", strides=2)(x)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False)(x)
    x = layers.Conv2DTranspose(3, (3, 2), strides=(2, 3))(layers.UpSampling2D((1, 2))(x))
    x = layers.Conv2DTranspose(3, 3, dilation_rate=2)(x)
    x = layers.AveragePooling2D((2, 3), strides=2, padding="same")(layers.MaxPooling2D((3, 2))(x))
    x = layers.LeakyReLU()(layers.ELU()(layers.SpatialDropout2D(0.1)(layers.GaussianNoise(0.1)(x))))
    x = layers.GaussianDropout(0.1)(layers.AlphaDropout(0.1)(layers.Identity()(layers.Activation("tanh")(x))))
    mean, peak = layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D(keepdims=True)(x)
    pooled = [mean, layers.Reshape((3,))(peak)]
    x = layers.Concatenate()(
        [
            one(pooled)
            for one in (
                layers.Add(),
                layers.Subtract(),
                layers.Multiply(),
                layers.Average(),
                layers.Maximum(),
                layers.Minimum(),
            )
        ]
    )
    return keras.Model(given, layers.Dense(1)(layers.Softmax()(layers.ReLU()(x))))


def tokens() -> Any:
    """Attention, embeddings, and layers that take two tensors of different ranks."""
    import keras
    from keras import layers

    given = keras.Input((8,))
    x = layers.Embedding(7, 6)(layers.Discretization([0.0, 1.0])(layers.Rescaling(2.0)(given)))
    y = layers.Dense(4)(x)
    x = layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=6, use_gate=True, use_bias=False)(x, y)
    x = layers.MultiHeadAttention(2, 3)(x, y, y)
    x = layers.Attention(use_scale=True, score_mode="concat")([x, x])
    x = layers.AdditiveAttention()([x, layers.AdditiveAttention(use_scale=False)([x, x])])
    x = layers.Dropout(0.1)(layers.Add()([x, layers.Dense(6)(given)]))
    x = layers.Dot((2, 2))([x, x])
    return keras.Model(given, layers.Dense(1)(layers.Flatten()(x)))


def operations() -> Any:
    """Every operation."""
    import keras
    from keras import layers, ops

    given = keras.Input((6, 4))
    x = -abs(given * 2 + 1 - given[:, :1]) / 3
    x = ops.true_divide(ops.maximum(ops.minimum(ops.divide(x, 2.0), given), 0.0), 2.0)
    for smooth in (ops.square, ops.relu, ops.relu6, ops.gelu, ops.elu, ops.selu, ops.silu, ops.leaky_relu, ops.sigmoid):
        x = smooth(x)
    x = x * ops.logical_or(ops.not_equal(given, 0.0), ops.not_equal(given, 1.0))
    x = ops.softmax(ops.softplus(ops.tanh(x)), axis=1)
    x = ops.concatenate([x, ops.transpose(ops.transpose(x, (0, 2, 1)), (0, 2, 1))], axis=-1)
    x = ops.squeeze(ops.expand_dims(ops.reshape(x, (-1, 3, 16)), 1), 1)
    reduced = ops.mean(x, axis=1), ops.sum(x, axis=-2), ops.max(x, axis=1), x[:, 0]
    x = layers.Concatenate()([layers.Dense(5)(one) for one in reduced])
    x = layers.Concatenate()([x, layers.Flatten()(layers.Dense(2)(ops.mean(given, axis=(1, 2), keepdims=True)))])
    return keras.Model(given, layers.Dense(1)(x))


def texts() -> Any:
    import keras
    from keras import layers

    city = keras.Input((1,), dtype="string", name="city")
    indices = layers.StringLookup(vocabulary=["Rome", "Oslo"], mask_token="")(city)
    return keras.Model(city, layers.Dense(1)(layers.Flatten()(layers.Embedding(4, 3)(indices))))


BUILT: dict[str, Callable[[], Any]] = {
    "series": series,
    "image": image,
    "tokens": tokens,
    "operations": operations,
    "texts": texts,
}


@pytest.mark.parametrize("name", BUILT)
def test_every_layer_has_as_many_as_keras_counts(name: str) -> None:
    model = BUILT[name]()
    graph = reading.read_graph(reading.canonicalize(model.to_json()))
    assert graph.shape is not None
    assert sizes.count_parameters(graph, tuple(size or 1 for size in graph.shape)) == model.count_params()


def test_these_models_hold_every_layer_and_operation_that_is_taken() -> None:
    kinds, operations_ = set[str](), set[str]()
    for make in (*BUILT.values(), *(make for _, make, _ in OWN_MODELS.values())):
        graph = reading.read_graph(reading.canonicalize(make().to_json()))
        for layer in graph.layers:
            (operations_ if layer.operation else kinds).add(layer.kind)
            kinds |= {inner.kind for inner in layer.arguments.values() if hasattr(inner, "kind")}
    assert set(LAYERS) - kinds == {"StochasticDepth"}  # which is read as a Dropout
    assert {function for function, _ in OPERATIONS.values()} - operations_ == set()


#: Of keras.applications, small ones, and what Keras counts of each beside its weights: what was adapted.
ARCHITECTURES: dict[str, tuple[dict[str, Any], int]] = {
    "MobileNet": ({"alpha": 0.25}, 0),
    "MobileNetV3Small": ({"minimalistic": True}, 0),
    "EfficientNetB0": ({}, 7),
    "EfficientNetV2B0": ({}, 0),
    "ConvNeXtTiny": ({}, 0),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_people_bring_is_read_with_its_own_head(name: str) -> None:
    import keras

    options, adapted = ARCHITECTURES[name]
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=5, **options)
    graph = reading.read_graph(reading.canonicalize(model.to_json()))
    assert sizes.count_parameters(graph, (32, 32, 3)) == model.count_params() - adapted
    check_fits_dataset(graph, (32, 32, 3), "multiclass", 5)
    assert bool(find_raw_values(graph, (32, 32, 3))) == (name != "MobileNet")  # which has its pixels from outside


def test_a_normalization_of_other_columns_does_not_take_the_rows() -> None:
    import keras

    layers = keras.layers.Normalization(mean=[1.0] * 4, variance=[1.0] * 4, name="n"), keras.layers.Dense(1)
    graph = reading.read_graph(reading.canonicalize(keras.Sequential([keras.Input((4,)), *layers]).to_json()))
    with pytest.raises(ConfigError, match=r"'n': does not take rows of shape \(3,\): it has 4 means"):
        sizes.count_parameters(graph, (3,))


def test_a_layer_that_does_not_take_what_it_is_given_is_named() -> None:
    import keras
    from keras import layers

    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Conv2D(2, 3, name="large"), layers.Flatten(), layers.Dense(10)]
    )
    config = json.loads(model.to_json())
    config["config"]["layers"][1]["config"]["kernel_size"] = [9, 9]
    graph = reading.read_graph(reading.canonicalize(config))
    with pytest.raises(ConfigError, match=r"'large': does not take rows of shape \(8, 8, 1\): .* too small"):
        sizes.count_parameters(graph, (8, 8, 1))
