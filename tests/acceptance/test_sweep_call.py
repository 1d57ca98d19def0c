"""`regsweep.sweep`: the same trials here and on a server, once in a folder, and nothing kept of what is refused."""

from __future__ import annotations

import gc
from contextlib import closing
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import regsweep
from service.client.compiled_model import read_task, read_training
from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.store import Store
from tests.acceptance.processes import Server

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

X = np.random.default_rng(5).normal(size=(120, 4)).astype("float32")
Y = (X[:, 0] - X[:, 1] > 0).astype(int)


def model(units: int = 1) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(units)])


def compiled(loss: Any, units: int = 1, **options: Any) -> keras.Model:
    made = model(units)
    made.compile(loss=loss, **options)
    return made


def test_a_sweep_gives_the_same_trials_here_and_on_a_server(server: Server, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"name": "called", "trials": 4, "epochs": 3, "compare": False, "progress": False}
    asked["study"] = {"reproducible": True}
    binary = compiled("binary_crossentropy", optimizer=keras.optimizers.SGD(0.05, momentum=0.5))
    binary.add(keras.layers.Activation("sigmoid"))
    x = X.copy()
    x[:, 3] = 0.1  # the model has an input for it
    here = regsweep.sweep(binary, x, Y, folder=tmp_path / "kept", workers=1, **asked)
    there = regsweep.sweep(binary, x, Y, server=server.url, **asked)
    values = [trial.value for trial in here.trials()]
    assert len(values) == 4
    assert [trial.value for trial in there.trials()] == values
    spec = here.study.spec
    assert (spec["dataset"]["known"]["task"], spec["space"]["learning_rate"]) == ("binary", 0.05)
    assert spec["training"]["optimizer"] == {"name": "sgd", "momentum": 0.5, "nesterov": False}
    assert here.best.value == min(filter(None, values))
    assert list(spec["dataset"]["options"]["columns"]) == ["x3"]
    predicted = here.predict(x[:3])
    assert predicted.probabilities is not None
    predicted_there = there.predict({"x": x[:3]})
    assert predicted_there.probabilities is not None
    assert np.allclose(predicted_there.probabilities, predicted.probabilities, atol=1e-5)
    ended = [trial.ended_at for trial in here.trials()]
    del here
    gc.collect()
    again = regsweep.sweep(binary, x, Y, folder=tmp_path / "kept", workers=1, **asked)
    assert [trial.ended_at for trial in again.trials()] == ended
    there.client.delete("called")
    there.client.delete_dataset("called")
    del there, again
    gc.collect()  # closes what they opened


def test_of_a_sweep_that_is_refused_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(regsweep.InvalidSpecError, match=r"lamda: unknown field; did you mean lambda\?; budget.tr"):
        regsweep.sweep(None, X, Y, trials=0, space={"lamda": 1.0}, folder=tmp_path)
    with closing(Store(f"sqlite:///{tmp_path / 'regsweep.db'}")) as store:
        assert list(DatasetStore(store, Artifacts(f"file://{tmp_path / 'artifacts'}")).list_datasets()) == []


@pytest.mark.parametrize(
    ("made", "task"),
    [
        (lambda: compiled("binary_crossentropy"), "binary"),
        (lambda: compiled(keras.losses.BinaryCrossentropy(from_logits=True)), "binary"),
        (lambda: compiled("sparse_categorical_crossentropy", 3), "multiclass"),
        (lambda: compiled(keras.losses.CategoricalCrossentropy(), 3), "multiclass"),
        (lambda: compiled(keras.losses.mean_squared_error), "regression"),
        (lambda: compiled("mse", metrics=["mae"]), "regression"),
        (lambda: compiled(None, metrics=[keras.metrics.AUC()]), "binary"),
        (model, None),
    ],
)
def test_the_loss_or_else_the_metrics_say_the_task(made: Any, task: str | None) -> None:
    assert read_task(made()) == task


def test_what_a_study_does_not_train_with_is_told() -> None:
    with pytest.warns(UserWarning, match="^the loss huber_loss is not among those of a study"):
        assert read_task(compiled(keras.losses.Huber())) == "regression"
    with pytest.warns(UserWarning, match="^the optimizer nadam is not among those of a study"):
        assert read_training(compiled("mse", optimizer="nadam")) == ({}, None)
    adam = {"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-07}
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    training, rate = read_training(compiled("mse", optimizer=keras.optimizers.Adam(schedule)))
    assert (training["optimizer"], rate) == (adam, None)
