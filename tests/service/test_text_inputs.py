"""Inputs of texts where people have them: arrays in Python, and a model in MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import regsweep
from service.loggers import mlflow_model
from service.loggers.runs import Model

pytestmark = pytest.mark.slow

ZIPS = ["0150", "0151", "9001"]


def of_zips() -> Any:
    import keras
    from keras import layers

    place, age = keras.Input((1,), dtype="string", name="place"), keras.Input((1,), name="age")
    lookup = layers.StringLookup()
    lookup.adapt(np.array(ZIPS[:2]))
    x = layers.Concatenate()([layers.Flatten()(layers.Embedding(3, 2)(lookup(place))), age])
    return keras.Model([place, age], layers.Dense(1, activation="sigmoid")(layers.Dense(3)(x)))


def test_texts_that_are_written_in_digits_stay_texts_in_a_sweep_of_arrays() -> None:
    rng = np.random.default_rng(0)
    rows = {"zip": rng.choice(ZIPS, 60), "age": rng.normal(50, 10, 60)}
    asked: dict[str, Any] = {"trials": 1, "epochs": 1, "compare": False, "workers": 1}
    found = regsweep.sweep(of_zips(), rows, rows["age"] > 50, inputs={"place": "zip"}, **asked)
    new: dict[str, Any] = {"zip": ["0150", "150", "9001"], "age": [50.0, 50.0, 50.0]}
    shares = np.asarray(found.predict(new).probabilities)[:, 1]
    assert shares[1] == shares[2] != shares[0]  # both are unknown


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*Any type hint:UserWarning")
def test_mlflow_predicts_texts(tmp_path: Path) -> None:
    import keras
    import mlflow.pyfunc

    model = of_zips()
    model.save(tmp_path / "model.keras")
    kept = Model((tmp_path / "model.keras").read_bytes(), None, "people", 1)
    mlflow_model.write(kept, tmp_path / "flavour" / "model")
    rows = {"place": np.array(ZIPS, object), "age": np.ones((3, 1), np.float32)}
    found = mlflow.pyfunc.load_model(str(tmp_path / "flavour" / "model")).predict(rows)
    np.testing.assert_array_equal(found, keras.models.load_model(tmp_path / "model.keras").predict(rows, verbose=0))
