"""The plain engine: what it records is what its saved model does, it keeps the best epoch, and it stops when told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from studies import study_file
from studies.datasets.preprocessing import PreparedData, prepare
from studies.errors import DivergedError
from studies.training.result import Job, OnEpoch, Trained
from tests.studies.documents import IRIS, Document

pytestmark = pytest.mark.slow

DIABETES: Document = {"kind": "builtin", "name": "diabetes"}
BINARY: Document = {"kind": "synthetic", "name": "noisy_labels"}
IMAGES: Document = {"kind": "builtin", "name": "digits_images"}
SMALL: Document = {"kind": "mlp", "hidden_units": [8]}
CNN: Document = {"kind": "cnn", "filters": [2], "hidden_units": [8]}
L1: Document = {"regularizer": "l1", "lambda": 0.01, "dropout": 0.2}


def job_of(dataset: Document, space: Document | None = None, seed: int = 11, **parts: Any) -> Job:
    """A trial whose hyperparameters are all fixed."""
    fixed = {"regularizer": "none", "lambda": 0, "l1_ratio": 0.5, "dropout": 0, "patience": 50, **(space or {})}
    spec = study_file.parse({"dataset": dataset, "model": SMALL, "budget": {"epochs": 3}, **parts, "space": fixed})
    return Job(0, spec, spec.space.hyperparameters({}), seed)


def go_on(epoch: int, metrics: Mapping[str, float], state: object = None, /) -> bool:
    return True


def trained(job: Job, on_epoch: OnEpoch = go_on) -> tuple[Trained, PreparedData]:
    from studies.training.fit import train

    data = prepare(job.spec.dataset, job.spec.seed)
    return train(job, data, on_epoch), data


def loaded(trial: Trained, folder: Path) -> Any:
    import keras

    trial.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


CASES = {
    "binary": job_of(BINARY, L1),
    "multiclass": job_of(IRIS, L1 | {"regularizer": "elastic_net"}),
    "regression": job_of(DIABETES, L1 | {"regularizer": "l2"}),
    "no penalty": job_of(IRIS),
    "linear": job_of(BINARY, L1 | {"dropout": 0}, model={"kind": "mlp", "hidden_units": []}),
    "batch norm": job_of(BINARY, L1, model={"kind": "mlp", "hidden_units": [8, 4], "batch_norm": True}),
    "cnn": job_of(IMAGES, L1 | {"batch_size": 128}, model=CNN, budget={"epochs": 2}),
}


@pytest.mark.parametrize("job", CASES.values(), ids=CASES)
def test_what_is_recorded_is_what_the_saved_model_does(job: Job, tmp_path: Path) -> None:
    trial, data = trained(job)
    model = loaded(trial, tmp_path)
    for part, prefix in ((data.train, "train_"), (data.validation, "val_")):
        penalized, loss = model.evaluate(part.x, part.y, verbose=0, batch_size=len(part.y))
        assert trial.result.metrics[f"{prefix}loss"] == pytest.approx(loss, abs=1e-5)
        assert trial.result.metrics[f"{prefix}penalized_loss"] == pytest.approx(penalized, abs=1e-5)
    penalty = sum(float(value) for value in model.losses)
    assert trial.result.metrics["val_penalized_loss"] - trial.result.metrics["val_loss"] == pytest.approx(
        penalty, abs=1e-5
    )
    _check_metrics(trial.result.metrics, data, model.predict(data.validation.x, verbose=0))
    assert (penalty > 0) == (job.hyperparameters.regularization.layers[0].kernel.kind != "none")


def _check_metrics(found: Mapping[str, float], data: PreparedData, predicted: Any) -> None:
    """The validation metrics against scikit-learn's, a regression's in the target's own unit."""
    y = data.dataset.y[data.rows.validation]
    if data.task == "regression":
        own_unit = predicted[:, 0] * data.target_scaling.deviation + data.target_scaling.mean
        assert found["val_mae"] == pytest.approx(oracle.mean_absolute_error(y, own_unit), rel=1e-4)
        assert found["val_r2"] == pytest.approx(oracle.r2_score(y, own_unit), abs=1e-4)
    else:
        classes = predicted[:, 0] > 0.5 if data.task == "binary" else predicted.argmax(axis=1)
        assert found["val_accuracy"] == pytest.approx(oracle.accuracy_score(y, classes))
        assert 0 <= found["val_auc"] <= 1


def overfitting(**early_stopping: Any) -> Job:
    """A trial whose validation loss turns upwards long before its epochs are used up."""
    space = {"patience": 4, "learning_rate": 0.05}
    return job_of(BINARY, space, budget={"epochs": 40}, early_stopping=early_stopping)


def test_training_stops_early_and_keeps_the_best_epochs_weights(tmp_path: Path) -> None:
    trial, data = trained(overfitting())
    result = trial.result
    losses = result.curve["val_loss"]
    assert result.stopped_early
    assert result.epochs == len(losses) == result.best_epoch + 4 < 40
    assert result.best_epoch == int(np.argmin(losses)) + 1
    for name in ("val_loss", "val_penalized_loss", "val_accuracy", "val_auc"):
        assert result.metrics[name] == pytest.approx(result.curve[name][result.best_epoch - 1], abs=1e-6)
    loss = loaded(trial, tmp_path).evaluate(data.validation.x, data.validation.y, verbose=0)[1]
    assert loss == pytest.approx(min(losses), abs=1e-5)


def test_without_restoring_the_last_epochs_weights_are_judged() -> None:
    result = trained(overfitting(restore_best_weights=False))[0].result
    assert (result.stopped_early, result.best_epoch) == (True, result.epochs)
    assert result.metrics["val_loss"] == pytest.approx(result.curve["val_loss"][-1], abs=1e-6)
    assert result.metrics["val_loss"] > min(result.curve["val_loss"])


def test_the_watched_metric_decides_which_epoch_is_best() -> None:
    result = trained(overfitting(monitor="val_accuracy"))[0].result
    assert result.best_epoch == int(np.argmax(result.curve["val_accuracy"])) + 1


def test_training_ends_after_the_epoch_that_is_answered_with_no() -> None:
    seen: list[int] = []

    def until_two(epoch: int, metrics: Mapping[str, float], state: object = None, /) -> bool:
        seen.append(epoch)
        assert np.isfinite(metrics["val_loss"])
        return epoch < 2

    result = trained(job_of(IRIS, budget={"epochs": 9}), until_two)[0].result
    assert (seen, result.epochs, result.stopped_early) == ([1, 2], 2, False)
    assert result.curve["epoch"] == [1.0, 2.0]
    assert all(len(column) == 2 for column in result.curve.values())


@pytest.mark.parametrize("dataset", [BINARY, IRIS, DIABETES], ids=["binary", "multiclass", "regression"])
def test_a_loss_that_is_no_longer_finite_is_a_divergence(dataset: Document) -> None:
    job = job_of(dataset)
    with pytest.raises(DivergedError, match="a smaller learning rate or λ may help"):
        trained(replace(job, hyperparameters=replace(job.hyperparameters, learning_rate=1e30)))


def test_the_same_seed_trains_the_same_trial_and_another_seed_another() -> None:
    space = L1 | {"dropout": 0.4}
    first, again, other = (trained(job_of(IRIS, space, seed))[0].result for seed in (5, 5, 6))
    assert first == again
    assert all(each.seconds[0] for each in (first, again))
    assert first.metrics["val_loss"] != other.metrics["val_loss"]


def test_the_weights_told_of_are_the_hidden_kernels() -> None:
    assert trained(CASES["multiclass"])[0].result.weights["count"] == 4 * 8
    linear = job_of(IRIS, model={"kind": "mlp", "hidden_units": []}, budget={"epochs": 1})
    assert trained(linear)[0].result.weights["count"] == 4 * 3  # of a linear model the output is all there is


def test_a_strong_penalty_makes_smaller_weights() -> None:
    space = {"lambda": 0.1, "learning_rate": 0.01}
    norms = [
        trained(job_of(BINARY, space | {"regularizer": kind}, budget={"epochs": 10}))[0].result.weights["l1_norm"]
        for kind in ("none", "l1")
    ]
    assert norms[1] < 0.2 * norms[0]
