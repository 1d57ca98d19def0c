"""A study starts from the weights of a .keras file where it asks for them; layers keep what they were adapted to."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import h5py
import numpy as np
import pytest

from studies import model_file, study_file
from studies.datasets.preprocessing import prepare
from studies.errors import InvalidSpecError
from studies.keras_config import start_weights
from studies.keras_config.errors import ConfigError
from studies.models.snippet import snippet
from studies.spec.model import KerasSpec
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.result import Job
from tests.studies.documents import IRIS, Document
from tests.studies.own_models import DIGITS, OWN_MODELS
from tests.studies.test_keras_config import GOOD, layer, sequential
from tests.studies.test_lanes_contract import small
from tests.studies.test_own_models import Two

#: So small a step that the weights stay those they began with.
STILL: Document = {"regularizer": "none", "patience": None, "learning_rate": 1e-12, "dropout": 0.0}


def written(model: Any, folder: Path) -> Path:
    path = folder / "start.keras"
    model.save(path)
    return path


def spec_of(dataset: Document, model: Document, **parts: Any) -> StudySpec:
    fixed = {"budget": {"epochs": 1, "trials": 2}, "space": STILL, **parts}
    return parse({"name": "own", "dataset": dataset, "model": model, **fixed})


def trained(spec: StudySpec, folder: Path) -> tuple[str, list[Any]]:
    """The engine of a study, and the delivered models of its two trials."""
    import keras

    from studies.training.engines import Engines

    data, engines = small(prepare(spec.dataset, 0, lookups=spec.lookups)), Engines(2, 0.5, None)
    choice = engines.choose(spec, [data])
    trials = Two(spec)
    engines.make(choice, spec)([data], trials)
    models = []
    for outcome in trials.outcomes:
        outcome.save(folder / "trial.keras")
        models.append(keras.models.load_model(folder / "trial.keras"))
    return choice.engine, models


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "engine"), [("branches", "lanes"), ("branches", "fit"), ("cnn with batch norm", "lanes")]
)
def test_every_trial_starts_from_the_weights_of_the_file(name: str, engine: str, tmp_path: Path) -> None:
    import keras

    dataset, make, _ = OWN_MODELS[name]
    original = make()
    original.set_weights([np.random.default_rng(1).uniform(0.1, 0.9, w.shape) for w in original.get_weights()])
    found = model_file.read(written(original, tmp_path), weights=True)
    training = {"engine": engine, "seeds": "own"} | ({"lanes": 2} if engine == "lanes" else {})
    spec = spec_of(dataset, found, training=training)
    used, models = trained(spec, tmp_path)
    assert used == engine
    rows = prepare(spec.dataset, 0, lookups=spec.lookups).train.x[:5]
    averages = any(isinstance(layer, keras.layers.BatchNormalization) for layer in original.layers)
    for model in models:
        for mine, its in zip(model.trainable_weights, original.trainable_weights, strict=True):
            np.testing.assert_allclose(np.asarray(mine), np.asarray(its), atol=1e-6)
        if not averages:  # those of a batch move in every step
            np.testing.assert_allclose(model.predict(rows, verbose=0), original.predict(rows, verbose=0), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["branches", "recurrent", "attention", "convnext block"])
def test_the_snippet_starts_from_the_file_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from studies.training.trial_model import build_plain_model

    dataset, make, _ = OWN_MODELS[name]
    original = make()
    spec = spec_of(dataset, model_file.read(written(original, tmp_path), weights=True))
    data, hyperparameters = small(prepare(spec.dataset, 0)), spec.space.hyperparameters({})
    rows = data.train.x[:5]
    plain = build_plain_model(Job(0, spec, hyperparameters, 7), data)
    np.testing.assert_allclose(plain.predict(rows, verbose=0), original.predict(rows, verbose=0), atol=1e-6)
    monkeypatch.chdir(tmp_path)  # where start.keras lies
    names: dict[str, Any] = {}
    exec(snippet(spec, hyperparameters, 0).partition("model.compile(")[0], names)  # noqa: S102
    np.testing.assert_allclose(names["model"].predict(rows, verbose=0), original.predict(rows, verbose=0), atol=1e-6)


@pytest.mark.slow
def test_frozen_layers_keep_their_weights_and_take_no_penalty(tmp_path: Path) -> None:
    import keras
    from keras import layers

    frozen = layers.Dense(5, activation="relu", trainable=False, name="kept")
    original = keras.Sequential([keras.Input((4,)), frozen, layers.Dense(4), layers.Dense(3, activation="softmax")])
    path = written(original, tmp_path)
    spec = spec_of(IRIS, model_file.read(path, weights=True), space={**STILL, "learning_rate": 0.1})
    assert isinstance(spec.model, KerasSpec)
    assert spec.model.graph.regularized == (original.layers[1].name,)
    engine, models = trained(spec, tmp_path)
    assert engine == "fit"
    kept, trained_kernel = (np.asarray(models[0].layers[n].kernel) for n in (0, 1))
    np.testing.assert_array_equal(kept, np.asarray(frozen.kernel))
    assert not np.allclose(trained_kernel, np.asarray(original.layers[1].kernel), atol=0.01)
    with pytest.raises(InvalidSpecError, match=r"'kept': is frozen .* which is taken only with weights to start from"):
        spec_of(IRIS, model_file.read(path))


@pytest.mark.slow
def test_layers_read_what_they_were_adapted_to_and_the_rows_as_they_stand(tmp_path: Path) -> None:
    import keras
    from keras import layers

    from studies.training.trial_model import build_plain_model, save_model

    given = keras.Input((64,))
    rows = prepare(spec_of(DIGITS, {"kind": "mlp"}).dataset, 0).dataset.x
    inner = keras.Sequential([keras.Input((64,)), layers.Normalization(axis=None), layers.Dense(3)], name="inner")
    inner.layers[0].adapt(rows)
    by_column, bins = layers.Normalization(), layers.Discretization(num_bins=3)
    codes = layers.IntegerLookup(mask_token=0, num_oov_indices=2)
    by_column.adapt(rows)
    bins.adapt(rows[:, 20:21])
    codes.adapt(rows[:100, 20:21].astype("int64"))
    numbered = [layers.Embedding(3, 2)(bins(given[:, 20:21])), layers.Embedding(20, 2)(codes(given[:, 20:21]))]
    x = layers.Concatenate()([inner(given), by_column(given), *map(layers.Flatten(), numbered)])
    original = keras.Model(given, layers.Dense(10, activation="softmax")(x))
    spec = spec_of(DIGITS, model_file.read(written(original, tmp_path), weights=True))
    data = prepare(spec.dataset, 0, lookups=spec.lookups)
    np.testing.assert_array_equal(data.train.x, rows[data.rows.train])
    plain = build_plain_model(Job(0, spec, spec.space.hyperparameters({}), 0), data)
    expected = original.predict(rows[:50], verbose=0)
    np.testing.assert_allclose(plain.predict(rows[:50], verbose=0), expected, atol=1e-5)
    save_model(plain, tmp_path / "delivered.keras")
    delivered = keras.models.load_model(tmp_path / "delivered.keras")
    np.testing.assert_allclose(delivered.predict(rows[:50], verbose=0), expected, atol=1e-5)


KERNELS = {"hidden/vars/0": (4, 5), "hidden/vars/1": (5,), "out/vars/0": (5, 3), "out/vars/1": (3,)}


def tensors(**shapes: Any) -> dict[str, Any]:
    named = {name.replace("_", "/"): shape for name, shape in shapes.items()}
    return {name: np.ones(shape, np.float32) for name, shape in {**KERNELS, **named}.items() if shape is not None}


def file_of(header: Any, values: bytes = b"") -> str:
    text = json.dumps(header).encode()
    return base64.b64encode(struct.pack("<Q", len(text)) + text + values).decode()


def entry(kind: str = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> Document:
    return {"a/vars/0": {"dtype": kind, "shape": list(shape), "data_offsets": list(offsets)}}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("no base64 !", "are no safetensors file in base64"),
        ("", "are no safetensors file in base64"),
        (base64.b64encode(b"short").decode(), "are no safetensors file"),
        (file_of([1]), "are no safetensors file"),
        (file_of(entry("F16")), "hold a tensor that is not of F32"),
        (file_of(entry(shape=(-1,))), "hold a tensor that is not of F32"),
        (file_of(entry(), b"\0\0\xc0\x7f"), "hold a number that is not finite"),
        (file_of(entry(offsets=(0, 400)), bytes(4)), "are no safetensors file"),
        (file_of(entry(shape=(10**9, 10**9), offsets=(0, 4)), bytes(4)), "are no safetensors file"),
        (file_of({**entry(), "b/vars/0": entry()["a/vars/0"]}, bytes(4)), "are no safetensors file"),
        (start_weights.pack(tensors(hidden_vars_1=None)), "layers[1] 'hidden' takes 25 numbers, and they hold 20"),
        (start_weights.pack(tensors(other_vars_0=(2,))), "hold 'other', and the model has no layer of this name"),
        (True, "true asks for the weights of a .keras file; name the file by --model"),
    ],
    ids=range(13),
)
def test_weights_that_are_none_of_the_model_are_refused(weights: Any, said: str) -> None:
    with pytest.raises(InvalidSpecError) as refused:
        parse({"dataset": IRIS, "model": {"kind": "keras", "config": GOOD, "weights": weights}})
    assert said in str(refused.value)
    assert "model.weights" in str(refused.value)


def test_weights_are_off_unless_they_are_asked_for(tmp_path: Path) -> None:
    path = archive(tmp_path, GOOD, lambda _: None)
    (tmp_path / "study.yaml").write_text("dataset: {kind: builtin, name: iris}\nmodel: {kind: keras, weights: true}")
    assert "weights" not in model_file.read(path)
    assert KerasSpec.model_validate({"kind": "keras", "config": GOOD, "weights": False}).weights is None
    with pytest.raises(InvalidSpecError, match="the file holds no weights"):
        study_file.read(tmp_path / "study.yaml", path)
    filled = archive(tmp_path, GOOD, fill)
    model = study_file.read(tmp_path / "study.yaml", filled).model
    assert isinstance(model, KerasSpec)
    assert model.weights is not None
    assert start_weights.unpack(model.weights)["hidden/vars/0"].shape == (4, 5)
    with pytest.raises(InvalidSpecError, match=r"holds no weights to start from; give a \.keras file"):
        study_file.read(tmp_path / "study.yaml", text_file(tmp_path))


def text_file(folder: Path) -> Path:
    path = folder / "model.json"
    path.write_text(json.dumps(GOOD))
    return path


def fill(file: h5py.File) -> None:
    for number, name in enumerate(["hidden", "out"]):
        for place in ("vars/0", "vars/1"):
            group = f"layers/dense{f'_{number}' if number else ''}/{place}"
            file.create_dataset(group, data=np.ones(KERNELS[f"{name}/{place}"], np.float32))


def archive(folder: Path, config: Any, write: Callable[[h5py.File], None], **more: bytes) -> Path:
    weights, path = folder / "model.weights.h5", folder / "model.keras"
    with h5py.File(weights, "w") as file:
        write(file)
    with ZipFile(path, "w") as content:
        content.writestr("config.json", json.dumps(config))
        content.write(weights, weights.name)
        for name, data in more.items():
            content.writestr(f"assets/layers/{name}/vocabulary.txt", data)
    return path


def _half(file: h5py.File) -> None:
    file.create_dataset("layers/dense/vars/0", data=np.ones((4, 5), np.float16))


def _linked(file: h5py.File) -> None:
    file["layers"] = h5py.ExternalLink("/etc/passwd", "/")


def _many(file: h5py.File) -> None:
    file.create_dataset("layers/dense/vars/0", (7_000_000,), "float32", chunks=(100_000,), compression="gzip")


def _gigabytes(file: h5py.File) -> None:
    file.create_dataset("layers/dense/vars/0", (10**9,), "float32", chunks=(100_000,), compression="gzip")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (_half, "'hidden': has weights of float16"),
        (_linked, "its weights cannot be read: .* has a link at 'layers'"),
        (_many, "the weights are 7,000,000 numbers; a study starts from at most 6,000,000"),
        (_gigabytes, "its weights take more than 1,000,000,000 bytes"),
    ],
)
def test_weights_are_looked_at_before_they_are_expanded(tmp_path: Path, write: Any, said: str) -> None:
    with pytest.raises(InvalidSpecError, match=said):
        model_file.read(archive(tmp_path, GOOD, write), weights=True)


INPUT: Document = layer("InputLayer", "rows", batch_shape=[None, 4])
NORMALIZED = sequential(
    INPUT, layer("Normalization", "n", axis=[-1], mean=None, variance=None), *GOOD["config"]["layers"][1:]
)
NUMBERED = sequential(INPUT, layer("IntegerLookup", "codes", vocabulary=None, num_oov_indices=1))


def _shaped(*shape: int) -> Callable[[h5py.File], None]:
    def write(file: h5py.File) -> None:
        for place in ("0", "1"):
            file.create_dataset(f"layers/normalization/vars/{place}", data=np.full(shape, 2, np.float32))

    return write


@pytest.mark.parametrize(
    ("config", "write", "vocabulary", "said"),
    [
        (NORMALIZED, _shaped(2, 2), b"", r"'n': keeps means of the shape \(2, 2\)"),
        (NORMALIZED, _shaped(20_000), b"", r"'n': keeps means of the shape \(20000,\)"),
        (NUMBERED, _shaped(4), None, "'codes': was not adapted, and has no vocabulary"),
        (NUMBERED, _shaped(4), b"-1\n4\nmany", "'codes': its vocabulary holds a line that is no whole number"),
        (NUMBERED, _shaped(4), b"1\n" * 600_000, "'codes': its vocabulary has more than 1,000,000 bytes"),
    ],
)
def test_what_a_layer_was_adapted_to_is_bounded(
    tmp_path: Path, config: Any, write: Any, vocabulary: bytes | None, said: str
) -> None:
    assets = {} if vocabulary is None else {"integer_lookup": vocabulary}
    with pytest.raises(InvalidSpecError, match=said):
        model_file.read(archive(tmp_path, config, write, **assets))


def test_a_normalization_that_was_never_adapted_changes_nothing(tmp_path: Path) -> None:
    def fresh(file: h5py.File) -> None:
        file.create_dataset("layers/normalization/vars/0", data=np.zeros(4, np.float32))
        file.create_dataset("layers/normalization/vars/1", data=np.ones(4, np.float32))

    untouched = parse({"dataset": IRIS, "model": model_file.read(archive(tmp_path, NORMALIZED, fresh))})
    adapted = parse({"dataset": IRIS, "model": model_file.read(archive(tmp_path, NORMALIZED, _shaped(4)))})
    assert untouched.lookups == ()  # so its rows are standardised
    assert [lookup.positions for lookup in adapted.lookups] == [(0, 1, 2, 3)]


def test_no_more_numbers_than_a_study_holds_are_packed() -> None:
    with pytest.raises(ConfigError, match="the weights are 6,000,001 numbers; a study starts from at most 6,000,000"):
        start_weights.pack({"a/vars/0": np.zeros(6_000_001, np.float32)})
