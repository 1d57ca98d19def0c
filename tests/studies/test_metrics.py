"""Metrics of a trial, with scikit-learn as the oracle, and what is said of its weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from studies.training.metrics import task_metrics
from studies.training.weights import summarize

Array = npt.NDArray[Any]
SEEDS = st.integers(0, 10_000)


def softmax(scores: Array) -> Array:
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


@given(SEEDS, st.integers(4, 60), st.booleans())
def test_a_binary_task_is_measured_as_scikit_learn_does(seed: int, rows: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % 2).astype(np.float32)[:, np.newaxis]
    predicted = rng.random((rows, 1), dtype=np.float32)
    predicted = predicted.round(1) if coarse else predicted  # ties count half in an AUC
    assert task_metrics("binary", y, predicted, 1.0) == {
        "accuracy": pytest.approx(oracle.accuracy_score(y, predicted > 0.5)),
        "balanced_accuracy": pytest.approx(oracle.balanced_accuracy_score(y, predicted > 0.5)),
        "auc": pytest.approx(oracle.roc_auc_score(y, predicted)),
    }


@given(SEEDS, st.integers(3, 6), st.integers(6, 60))
def test_a_multiclass_task_is_measured_as_scikit_learn_does(seed: int, classes: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % classes).astype(np.int32)
    predicted = softmax(rng.standard_normal((rows, classes)))
    rest = [oracle.roc_auc_score(y == number, predicted[:, number]) for number in range(classes)]
    assert task_metrics("multiclass", y, predicted, 1.0) == {
        "accuracy": pytest.approx(oracle.accuracy_score(y, predicted.argmax(axis=1))),
        "balanced_accuracy": pytest.approx(oracle.balanced_accuracy_score(y, predicted.argmax(axis=1))),
        "auc": pytest.approx(np.mean(rest)),
    }


@given(SEEDS, st.integers(2, 60), st.floats(0.1, 100))
def test_a_regression_is_measured_in_the_targets_own_unit(seed: int, rows: int, deviation: float) -> None:
    rng = np.random.default_rng(seed)
    y, predicted = rng.standard_normal((2, rows, 1)).astype(np.float32)
    found = task_metrics("regression", y, predicted, deviation)
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(y * deviation, predicted * deviation), rel=1e-4)
    assert found["r2"] == pytest.approx(oracle.r2_score(y, predicted), rel=1e-3, abs=1e-4)


def test_a_perfect_prediction_has_the_best_value_of_every_metric() -> None:
    y = np.array([[0.0], [1.0], [1.0]], dtype=np.float32)
    best = {"accuracy": 1.0, "balanced_accuracy": 1.0, "auc": 1.0}
    assert task_metrics("binary", y, y, 1.0) == best
    assert task_metrics("regression", y, y, 3.0) == {"mae": 0.0, "r2": 1.0}
    classes = np.arange(3, dtype=np.int32)
    assert task_metrics("multiclass", classes, np.eye(3, dtype=np.float32), 1.0) == best


def test_predicting_the_mean_explains_nothing() -> None:
    y = np.array([[1.0], [2.0], [6.0]], dtype=np.float32)
    assert task_metrics("regression", y, np.full_like(y, 3.0), 1.0)["r2"] == pytest.approx(0.0)


def test_an_auc_is_not_a_number_where_a_class_is_missing() -> None:
    binary = task_metrics("binary", np.ones((3, 1), np.float32), np.full((3, 1), 0.4, np.float32), 1.0)
    several = task_metrics("multiclass", np.array([0, 1, 1]), softmax(np.eye(3)), 1.0)
    assert math.isnan(binary["auc"])
    assert math.isnan(several["auc"])
    assert [binary["accuracy"], several["accuracy"]] == pytest.approx([0, 2 / 3])


def test_weights_are_summarized_over_all_kernels_together() -> None:
    found = summarize([np.array([[0.0, -3.0], [4.0, 0.0005]]), np.zeros((2, 2)), np.array([[0.001, -0.0]])])
    assert found == {
        "count": 10,
        "nonzero": 4,
        "zero_share": pytest.approx(0.6),
        "near_zero_share": pytest.approx(0.7),
        "l1_norm": pytest.approx(7.0015),
        "l2_norm": pytest.approx(math.sqrt(25 + 0.0005**2 + 0.001**2)),
        "max_abs": pytest.approx(4.0),
    }


def test_an_image_kernel_counts_each_of_its_weights() -> None:
    assert summarize([np.ones((3, 3, 1, 8), np.float32)])["count"] == 72
