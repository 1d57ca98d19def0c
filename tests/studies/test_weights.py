"""Weighted training rows: by a column, by class, and alike in both engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_sample_weight

from studies.datasets.preprocessing import PreparedData, prepare
from studies.errors import DatasetError, InvalidSpecError
from studies.spec.study import StudySpec
from studies.study_file import parse
from studies.training.metrics import task_metrics
from tests.studies.documents import IRIS, Document
from tests.studies.laning import program_of, train
from tests.studies.test_lanes_contract import BATCH, EPOCHS, job, regularizations, small

pytestmark = pytest.mark.slow

BINARY: Document = {"kind": "synthetic", "name": "noisy_labels", "rows": 90, "features": 6, "informative": 3}
DIABETES: Document = {"kind": "builtin", "name": "diabetes"}


def spec_of(dataset: Document, class_weights: str = "none", **parts: Any) -> StudySpec:
    plain: Document = {
        "name": "x",
        "dataset": dataset,
        "model": {"kind": "mlp", "hidden_units": [8]},
        "budget": {"epochs": EPOCHS},
        "space": {"batch_size": BATCH, "l1_mode": "penalty"},
        "training": {"class_weights": class_weights},
    }
    return parse(plain | parts)


def weighted(data: PreparedData) -> PreparedData:
    weights = np.random.default_rng(0).uniform(0, 3, len(data.dataset.y))
    return replace(data, dataset=replace(data.dataset, weights=weights))


CASES = {
    "balanced classes": (spec_of(IRIS, "balanced"), False),
    "a column": (spec_of(DIABETES), True),
    "both": (spec_of(BINARY, "balanced"), True),
}


@pytest.mark.parametrize(("spec", "column"), CASES.values(), ids=CASES)
def test_a_lane_follows_fit_with_weighted_rows(spec: StudySpec, column: bool) -> None:
    from studies.training.trial_model import build_fit_model

    whole = prepare(spec.dataset, 0)
    data = small(weighted(whole) if column else whole)
    balanced = spec.training.class_weights == "balanced"
    weights = data.train_weights(balanced=balanced)
    assert weights is not None
    assert float(weights.mean()) == pytest.approx(1, abs=1e-5)
    reg = regularizations(spec)[2]
    jobs = [job(spec, reg)]
    program = program_of(jobs, data, EPOCHS)
    drawn = program.initial(0)
    rng = np.random.default_rng(1)
    order = np.stack([[rng.permutation(len(weights))] for _ in range(EPOCHS)]).astype(np.int32)
    carry, epochs = train(program, jobs, data, [drawn], order)

    model = build_fit_model(job(spec, reg), data, weighted=True)
    for variable, value in zip(model.trainable_weights, drawn.weights, strict=True):
        variable.assign(value)
    losses = []
    for numbers in order[:, 0]:
        chosen = [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]
        batches = ((data.train.x[c], data.train.y[c], weights[c]) for c in chosen)
        history = model.fit(batches, steps_per_epoch=len(chosen), shuffle=False, verbose=0)
        losses.append(history.history[model.loss][0])
    np.testing.assert_allclose(epochs.data_loss[:, 0], losses, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(carry.lanes.model.weights, model.trainable_weights, strict=True):
        np.testing.assert_allclose(mine[0], theirs.numpy(), rtol=1e-3, atol=2e-4)


def test_balanced_classes_have_the_same_sum_of_weights() -> None:
    data = prepare(spec_of({"kind": "builtin", "name": "wine"}).dataset, 0)
    y = data.dataset.y[data.rows.train]
    weights = data.train_weights(balanced=True)
    assert weights is not None
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", y), rtol=1e-6)
    assert data.train_weights(balanced=False) is None
    both = weighted(data)
    own = both.train_weights(balanced=True)
    assert own is not None
    assert both.dataset.weights is not None
    np.testing.assert_allclose(
        own, (given := both.dataset.weights[both.rows.train] * weights) / given.mean(), rtol=1e-5
    )


def test_rows_that_all_count_nothing_cannot_be_trained_on() -> None:
    data = prepare(spec_of(DIABETES).dataset, 0)
    nothing = np.zeros(len(data.dataset.y))
    nothing[data.rows.test] = 1
    with pytest.raises(DatasetError, match="no training row has a weight above 0"):
        replace(data, dataset=replace(data.dataset, weights=nothing)).train_weights(balanced=False)


def test_a_regression_has_no_classes_to_weigh() -> None:
    with pytest.raises(InvalidSpecError, match=r"training\.class_weights: a regression has no classes"):
        spec_of(DIABETES, "balanced")


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("rows", [6, 60])
def test_balanced_accuracy_is_scikit_learns(task: Any, rows: int) -> None:
    rng = np.random.default_rng(rows)
    y: Any
    if task == "binary":
        y = (rng.random((rows, 1)) < 0.2).astype(np.float32)
        predicted = rng.random((rows, 1)).astype(np.float32)
        said = predicted > 0.5
    else:
        y = rng.choice(4, rows, p=[0.7, 0.1, 0.1, 0.1])
        predicted = rng.random((rows, 5)).astype(np.float32)  # of the last class there is no row
        said = predicted.argmax(axis=1)
    found = task_metrics(task, y, predicted, 1.0)
    present = np.isin(said.ravel(), np.unique(y))
    expected = np.mean([(said.ravel()[y.ravel() == label] == label).mean() for label in np.unique(y)])
    assert found["balanced_accuracy"] == pytest.approx(expected)
    if present.all():
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, said))
