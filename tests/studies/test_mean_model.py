"""The mean of models, each of a fold with its own scaling, is one model of Keras' own layers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from studies.datasets.catalog import load
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.training.mean_model import write_mean
from studies.training.result import Job
from tests.studies.documents import IRIS, Document, study
from tests.studies.uploads import mixed, text, uploaded

pytestmark = pytest.mark.slow
NESTED: Document = {"kind": "nested_kfold", "folds": 2, "repeats": 1}
MEMBERS = 3
Array = npt.NDArray[Any]
Members = Sequence[tuple[PreparedData, Path]]


def behind(source: Any = None, **parts: Any) -> tuple[PreparedData, list[PreparedData], Any]:
    """All rows, some folds of a delivery, and the study."""
    spec = study(resampling=NESTED, **parts)
    found = prepare_folds(spec.dataset, 3, spec.resampling, source)
    return found[3], list(found[4 : 4 + MEMBERS]), spec


def members(folds: Sequence[PreparedData], spec: Any, folder: Path) -> list[tuple[PreparedData, Path]]:
    """Models as a worker builds them, not trained, each with weights of its own."""
    import keras

    from studies.training.trial_model import build_plain_model, save_model

    found = []
    for number, data in enumerate(folds):
        keras.utils.set_random_seed(number)
        space = spec.space.hyperparameters({"regularizer": "l1", "lambda": 0.01, "dropout": 0.3, "patience": 2})
        model = build_plain_model(Job(number, spec, space, number), data)
        rng = np.random.default_rng(number)
        model.set_weights([weight + rng.uniform(0, 0.05, weight.shape) for weight in model.get_weights()])
        save_model(model, path := folder / f"{number}.keras")
        found.append((data, path))
    return found


def predicted(model: Any, data: PreparedData, inputs: Any) -> Array:
    """Of prepared rows: the probabilities of classes, or numbers in the target's own unit."""
    outputs = model(inputs, training=False).numpy()
    scaling = data.target_scaling
    return np.asarray(outputs * scaling.deviation + scaling.mean)


def mean_of(found: Members, raw: Any) -> Array:
    """What the members say of raw rows, each with its own preparation, on average."""
    import keras

    each = [predicted(keras.models.load_model(path), data, Preparation.of(data).transform(raw)) for data, path in found]
    assert not np.allclose(each[0], each[1], rtol=1e-3)  # else nothing would be shown
    return np.asarray(np.mean(each, axis=0))


def delivered(found: Members, whole: PreparedData, folder: Path) -> Any:
    import keras

    write_mean(found, whole, folder / "mean.keras")
    for _, path in found:
        path.unlink()
    return keras.models.load_model(folder / "mean.keras")


BUILTIN: dict[str, dict[str, Any]] = {
    "regression": {"dataset": {"kind": "builtin", "name": "diabetes"}},
    "binary": {"dataset": {"kind": "builtin", "name": "breast_cancer"}},
    "multiclass": {"dataset": IRIS, "model": {"kind": "mlp", "hidden_units": [8], "batch_norm": True}},
    "images": {
        "dataset": {"kind": "builtin", "name": "digits_images"},
        "model": {"kind": "cnn", "filters": [4], "kernel_size": 3},
    },
}


@pytest.mark.parametrize("kind", BUILTIN)
def test_the_mean_model_says_of_raw_rows_what_its_members_say_on_average(kind: str, tmp_path: Path) -> None:
    whole, folds, spec = behind(**BUILTIN[kind])
    found = members(folds, spec, tmp_path)
    raw = load(spec.dataset).x[:40]
    expected = mean_of(found, raw)
    model = delivered(found, whole, tmp_path)
    given = predicted(model, whole, Preparation.of(whole).transform(raw))
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def uploaded_regression(folder: Path) -> tuple[dict[str, list[Any]], Any]:
    columns = mixed(120)
    columns["y"] = np.random.default_rng(1).normal(1000, 50, 120).round(2).tolist()
    (folder / "mine.csv").write_text(text(columns))
    return columns, uploaded(folder / "mine.csv")


def test_of_a_users_table_it_takes_rows_as_all_rows_are_prepared(tmp_path: Path) -> None:
    columns, (dataset, source) = uploaded_regression(tmp_path)
    whole, folds, spec = behind(source, dataset=dataset.model_dump(mode="json"))
    assert len({tuple(block.transformer[-1].mean_) for fold in folds for block in fold.blocks}) > len(folds)
    found = members(folds, spec, tmp_path)
    lacking = [any(values[row] is None for values in columns.values()) for row in range(120)]
    assert 10 < sum(lacking) < 60
    of = {there: [row for row in range(120) if lacking[row] is not there] for there in (True, False)}
    raw = {there: {name: [v[row] for row in rows] for name, v in columns.items()} for there, rows in of.items()}
    expected = {there: mean_of(found, rows) for there, rows in raw.items()}
    model, preparation = delivered(found, whole, tmp_path), Preparation.of(whole)
    given = {there: predicted(model, whole, preparation.transform(rows)) for there, rows in raw.items()}
    np.testing.assert_allclose(given[True], expected[True], rtol=1e-5)
    # What is missing is filled with the median of all rows, which is not quite that of each fold.
    spread = float(np.std(expected[False]))
    assert np.abs(given[False] - expected[False]).max() < 0.05 * spread


def test_keras_loads_it_alone_for_it_is_made_of_keras_own_layers(tmp_path: Path) -> None:
    whole, folds, spec = behind(**BUILTIN["regression"])
    model = delivered(members(folds, spec, tmp_path), whole, tmp_path)
    with zipfile.ZipFile(tmp_path / "mean.keras") as file:
        config = json.loads(file.read("config.json"))

    def classes(of: Any) -> list[dict[str, Any]]:
        inner = list(of.values()) if isinstance(of, dict) else of if isinstance(of, list) else []
        return ([of] if isinstance(of, dict) and "class_name" in of else []) + [c for i in inner for c in classes(i)]

    # Where Keras is asked to import nothing but itself.
    modules = {str(each.get("module")).split(".")[0] for each in classes(config) if "module" in each}
    assert modules <= {"keras", "builtins"}
    assert {each.get("registered_name") for each in classes(config)} <= {None, "Functional"}
    assert (model.input_shape, model.output_shape) == ((None, 10), (None, 1))


def test_the_mean_of_one_model_is_that_model(tmp_path: Path) -> None:
    whole, folds, spec = behind(**BUILTIN["regression"])
    found = members(folds[:1], spec, tmp_path)
    import keras

    raw = load(spec.dataset).x[:40]
    data, path = found[0]
    expected = predicted(keras.models.load_model(path), data, Preparation.of(data).transform(raw))
    given = predicted(delivered(found, whole, tmp_path), whole, Preparation.of(whole).transform(raw))
    np.testing.assert_allclose(given, expected, rtol=1e-5)
