"""Folds in lanes: a training of one fold beside those of others is the one it is alone, and its model says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.regularization import REGULARIZERS
from studies.study_file import parse
from studies.training.result import Job, Trained, TrialResult
from tests.studies.documents import IRIS, Document
from tests.studies.engines import shared_engines
from tests.studies.test_lanes import Given, assert_same_up_to_rounding

pytestmark = pytest.mark.slow

BINARY: Document = {"kind": "synthetic", "name": "noisy_labels", "rows": 92, "features": 6, "informative": 3}
DIABETES: Document = {"kind": "builtin", "name": "diabetes"}
KFOLD: Document = {"kind": "kfold", "folds": 5}
NESTED: Document = {"kind": "nested_kfold", "folds": 5, "repeats": 1}
CASES = {
    "binary, nested": (BINARY, NESTED),
    "multiclass, nested": (IRIS, {**NESTED, "folds": 7}),
    "regression": (DIABETES, KFOLD),
}


def laned(data: Sequence[PreparedData], jobs: Sequence[Job], lanes: int) -> list[Trained]:
    from studies.training.engines import EngineChoice

    given = Given(jobs)
    shared_engines().make(EngineChoice("lanes", lanes, 3, xla=False, why="a test"), jobs[0].spec)(data, given)
    return [given.trained(job.number) for job in jobs]


@dataclass(frozen=True)
class Together:
    """A training on each fold and on all that stands behind the folds, each with its own regularizer and seed."""

    data: Sequence[PreparedData]
    fits: int  # how many of the data are folds
    jobs: list[Job]

    @cached_property
    def trained(self) -> list[Trained]:
        # Fewer lanes than folds, so that a lane goes from one fold to another.
        return laned(self.data, self.jobs, lanes=3)


@cache
def together(case: str) -> Together:
    dataset, resampling = CASES[case]
    spec = parse(
        {
            "dataset": dataset,
            "model": {"kind": "mlp", "hidden_units": [8], "batch_norm": True},
            "space": {"batch_size": 20, "learning_rate": 0.01},
            "budget": {"epochs": 6},
            "resampling": resampling,
        }
    )
    fits = spec.resampling.fits
    # Behind the folds the whole, and, nested, all rows and two of the folds of a delivery.
    data = prepare_folds(spec.dataset, spec.seed, spec.resampling)[: fits + 4]
    fixed = {"lambda": 0.01, "l1_ratio": 0.5, "dropout": 0.2, "patience": 2}
    kinds = [REGULARIZERS[fold % len(REGULARIZERS)] for fold in range(len(data))]
    found = [spec.space.hyperparameters({**fixed, "regularizer": kind}) for kind in kinds]
    jobs = [Job(fold, spec, hyper, 50 + fold, fold, measures_test=True) for fold, hyper in enumerate(found)]
    return Together(data, fits, jobs)


def loaded(trial: Trained, folder: Path) -> Any:
    import keras

    trial.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


_loaded: dict[str, list[Any]] = {}


def models(case: str, folder: Path) -> list[Any]:
    """The models of the trainings together, written and loaded once."""
    if case not in _loaded:
        _loaded[case] = [loaded(trial, folder) for trial in together(case).trained]
    return _loaded[case]


@pytest.mark.parametrize("case", CASES)
def test_the_folds_are_of_two_sizes_and_train_on_equally_many_rows(case: str) -> None:
    data, fits = together(case).data, together(case).fits
    folds, whole = data[:fits], data[fits]
    nested = "nested" in case
    assert len({len(fold.test().y if nested else fold.validation.y) for fold in folds}) == 2
    assert len({fold.train_rows for fold in folds}) == 1
    assert whole.train_rows != folds[0].train_rows


@pytest.mark.parametrize("case", CASES)
def test_a_fold_trained_beside_others_is_the_fold_trained_alone(case: str, tmp_path: Path) -> None:
    data, jobs = together(case).data, together(case).jobs
    for job, beside, model in zip(jobs, together(case).trained, models(case, tmp_path), strict=True):
        [alone] = laned([data[job.fold]], [replace(job, fold=0)], lanes=1)
        assert_same_up_to_rounding(alone.result, beside.result)
        assert all(seconds for each in (alone, beside) for seconds in each.result.seconds)
        if job.number % 3 == 0:  # writing and loading a model takes longer than training it
            for one, other in zip(loaded(alone, tmp_path).get_weights(), model.get_weights(), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_model_of_a_lane_gives_what_is_recorded_of_its_fold(case: str, tmp_path: Path) -> None:
    for job, trial, model in zip(together(case).jobs, together(case).trained, models(case, tmp_path), strict=True):
        assert_recorded(trial.result, model, together(case).data[job.fold])


@pytest.mark.parametrize("case", ["binary, nested", "regression"])
def test_the_model_of_fit_gives_what_is_recorded_of_its_fold(case: str, tmp_path: Path) -> None:
    from studies.training.fit import train

    for job in (together(case).jobs[0], together(case).jobs[together(case).fits - 1]):  # a large fold and a small one
        fold = together(case).data[job.fold]
        trial = train(job, fold, lambda *_: True)
        assert_recorded(trial.result, loaded(trial, tmp_path), fold)


def assert_recorded(result: TrialResult, model: Any, fold: PreparedData) -> None:
    """What the loaded model gives on each part of the fold, by Keras' own loss and regularizers."""
    import keras

    for prefix, part in (("train", fold.train), ("val", fold.validation), ("test", fold.test())):
        predicted = model(part.x, training=False).numpy()
        loss = np.mean(keras.losses.get(model.loss)(part.y, predicted))
        assert result.metrics[f"{prefix}_loss"] == pytest.approx(loss, abs=1e-5)
        penalty = sum(float(value) for value in model.losses)
        assert result.metrics[f"{prefix}_penalized_loss"] == pytest.approx(loss + penalty, abs=1e-5)
        if fold.task == "regression":
            mae = np.abs(predicted - part.y).mean() * fold.target_scaling.deviation
            assert result.metrics[f"{prefix}_mae"] == pytest.approx(mae, rel=1e-4)
        else:
            said = predicted.argmax(axis=1) if fold.task == "multiclass" else predicted > 0.5
            assert result.metrics[f"{prefix}_accuracy"] == pytest.approx((said == part.y).mean())
    assert result.curve["val_loss"][result.best_epoch - 1] == pytest.approx(result.metrics["val_loss"], abs=1e-5)
