"""Architectures: their layers as data, the same as code, and the penalties of the models they build."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.models.architecture import Architecture, design
from studies.objectives import Task
from studies.regularization import REGULARIZERS, Regularization, Regularizer
from studies.spec.model import CnnSpec, MlpSpec, ModelSpec

pytestmark = pytest.mark.slow

TABLE, IMAGE = (7,), (8, 8, 1)
L1 = Regularization.shared("l1", 0.01, 0.5, dropout=0.25)
MODELS: dict[str, tuple[ModelSpec, tuple[int, ...]]] = {
    "mlp": (MlpSpec(hidden_units=(5, 3)), TABLE),
    "linear": (MlpSpec(hidden_units=()), TABLE),
    "mlp with batch norm": (MlpSpec(hidden_units=(5, 3), batch_norm=True, activation="tanh"), TABLE),
    "mlp on images": (MlpSpec(hidden_units=(4,)), IMAGE),
    "cnn": (CnnSpec(kind="cnn", filters=(2, 3), hidden_units=(4,)), IMAGE),
    "cnn with batch norm": (CnnSpec(kind="cnn", filters=(2,), kernel_size=5, batch_norm=True), IMAGE),
    "cnn without dense layers": (CnnSpec(kind="cnn", filters=(2,), hidden_units=()), IMAGE),
}
EVERY = pytest.mark.parametrize(("spec", "shape"), MODELS.values(), ids=MODELS)


def built(architecture: Architecture) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential([layer.evaluate() for layer in architecture.layers])


def names(spec: ModelSpec, shape: tuple[int, ...]) -> list[str]:
    return [layer.name.removeprefix("layers.") for layer in design(spec, shape, "binary", 2, L1).layers]


@EVERY
@pytest.mark.parametrize("kind", REGULARIZERS)
def test_the_losses_of_a_model_are_the_penalties_of_its_hidden_kernels(
    spec: ModelSpec, shape: tuple[int, ...], kind: Regularizer
) -> None:
    regularization = Regularization.shared(kind, 0.03, 0.3, dropout=0.2)
    model = built(design(spec, shape, "multiclass", 3, regularization))
    kernels = [np.asarray(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")]
    hidden = kernels[:-1] or kernels  # of a linear model the output is all there is
    expected = sum(regularization.layers[0].kernel.of(kernel) for kernel in hidden)
    assert float(sum(float(loss) for loss in model.losses)) == pytest.approx(expected, rel=1e-5)
    assert (expected > 0) == (kind != "none")


@EVERY
@pytest.mark.parametrize(
    ("task", "classes", "units", "activation", "loss"),
    [
        ("binary", 2, 1, "sigmoid", "binary_crossentropy"),
        ("multiclass", 4, 4, "softmax", "sparse_categorical_crossentropy"),
        ("regression", 0, 1, "linear", "mean_squared_error"),
    ],
)
def test_the_output_layer_is_the_one_of_the_task(
    spec: ModelSpec, shape: tuple[int, ...], task: Task, classes: int, units: int, activation: str, loss: str
) -> None:
    architecture = design(spec, shape, task, classes, L1)
    output = built(architecture).layers[-1]
    assert (output.units, output.activation.__name__, architecture.loss) == (units, activation, loss)
    assert output.use_bias


@EVERY
def test_a_model_takes_rows_of_its_shape(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    model = built(design(spec, shape, "multiclass", 3, L1))
    predicted = np.asarray(model(np.zeros((2, *shape), np.float32)))
    np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)


@EVERY
def test_the_source_of_a_layer_builds_the_same_layer(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    import keras

    for layer in design(spec, shape, "binary", 2, Regularization.shared("elastic_net", 0.1, 0.3, 0.4)).layers[1:]:
        evaluated, executed = layer.evaluate(), eval(layer.source(), {"keras": keras})  # noqa: S307
        assert type(executed) is type(evaluated)
        assert _config(executed) == _config(evaluated)


def _config(layer: Any) -> dict[str, Any]:
    return {name: value for name, value in layer.get_config().items() if name not in {"name", "seed"}}


def test_every_hidden_layer_is_followed_by_dropout() -> None:
    assert names(*MODELS["mlp"]) == ["Input", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert names(*MODELS["linear"]) == ["Input", "Dense"]
    assert names(*MODELS["mlp on images"]) == ["Input", "Flatten", "Dense", "Dropout", "Dense"]
    model = built(design(*MODELS["mlp"], "binary", 2, L1))
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"] == [0.25, 0.25]


def test_batch_normalization_stands_between_a_layer_without_offset_and_its_activation() -> None:
    block = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert names(*MODELS["mlp with batch norm"]) == ["Input", *block, *block, "Dense"]
    layers = built(design(*MODELS["mlp with batch norm"], "binary", 2, L1)).layers
    assert (layers[0].use_bias, layers[0].activation.__name__) == (False, "linear")
    assert layers[2].activation.__name__ == "tanh"


def test_convolutions_are_pooled_while_the_image_is_large_enough() -> None:
    spec = CnnSpec(kind="cnn", filters=(2, 3, 4), hidden_units=(5,))
    assert names(spec, IMAGE) == [
        "Input",
        *["Conv2D", "MaxPooling2D", "Dropout"],  # 8 -> 4
        *["Conv2D", "MaxPooling2D", "Dropout"],  # 4 -> 2
        *["Conv2D", "Dropout"],
        *["Flatten", "Dense", "Dropout", "Dense"],
    ]


@settings(max_examples=20)
@given(
    side=st.integers(2, 12),
    other=st.integers(2, 12),
    filters=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    kernel=st.integers(1, 9),
)
def test_a_cnn_of_any_depth_can_be_built_on_an_image_of_any_size(
    side: int, other: int, filters: list[int], kernel: int
) -> None:
    spec = CnnSpec(kind="cnn", filters=tuple(filters), kernel_size=kernel, hidden_units=())
    assert built(design(spec, (side, other, 3), "binary", 2, L1)).output_shape == (None, 1)


def test_without_a_penalty_no_layer_has_a_regularizer() -> None:
    for spec, shape in MODELS.values():
        assert built(design(spec, shape, "binary", 2, Regularization.shared("none", 0.5, 0.5, 0.0))).losses == []
