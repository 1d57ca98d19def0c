"""Folds: which rows a trial is trained on and judged by, and what becomes of the results of each."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.datasets.catalog import Dataset, load
from studies.datasets.preprocessing import prepare_folds
from studies.datasets.splits import Split, folds, split
from studies.errors import DatasetError
from studies.spec.dataset import BuiltinDataset, BuiltinName
from studies.spec.resampling import Resampling
from studies.training.result import TrialResult, mean_result
from tests.studies.documents import study

NAMES: tuple[BuiltinName, ...] = ("breast_cancer", "diabetes", "iris", "wine")
DATASETS: dict[str, Dataset] = {name: load(BuiltinDataset(kind="builtin", name=name)) for name in NAMES}
Rows = npt.NDArray[np.int64]


def resampling(kind: str, count: int, repeats: int = 2) -> Resampling:
    return Resampling.model_validate({"kind": kind, "folds": count, "repeats": repeats})


RESAMPLINGS = st.builds(
    resampling, st.sampled_from(["kfold", "repeated_kfold", "nested_kfold"]), st.integers(2, 9), st.integers(1, 3)
)
EVERY = given(st.sampled_from(NAMES), RESAMPLINGS, st.integers(0, 2**32 - 1))


def fold_of(part: Split, how: Resampling) -> Rows:
    """The rows that judge a training."""
    return part.test if how.nested else part.validation


@settings(max_examples=40)
@EVERY
def test_the_folds_of_a_repeat_hold_every_row_beside_the_test_part_once(name: str, how: Resampling, seed: int) -> None:
    dataset = DATASETS[name]
    whole = split(dataset, seed)
    found = folds(dataset, whole, how, seed)
    assert len(found) == how.fits
    beside = np.sort(np.concatenate([whole.train, whole.validation]))
    for first in range(0, how.fits, how.folds):
        judging = [fold_of(part, how) for part in found[first : first + how.folds]]
        np.testing.assert_array_equal(np.sort(np.concatenate(judging)), beside)
        assert max(map(len, judging)) - min(map(len, judging)) <= 1


@settings(max_examples=40)
@EVERY
def test_a_fold_is_judged_and_stopped_by_rows_it_is_not_trained_on(name: str, how: Resampling, seed: int) -> None:
    dataset = DATASETS[name]
    whole = split(dataset, seed)
    found = folds(dataset, whole, how, seed)
    beside = len(dataset.y) - len(whole.test)
    assert len({len(part.train) for part in found}) == 1
    for part in found:
        for one, other in combinations((part.train, part.validation, part.test), 2):
            assert not np.intersect1d(one, other).size
        assert all(len(np.unique(rows)) == len(rows) for rows in (part.train, part.validation, part.test))
        left = beside - len(fold_of(part, how))
        if how.nested:
            assert not np.isin(whole.test, np.concatenate([part.train, part.validation, part.test])).any()
            assert abs(len(part.validation) - 0.2 * left) < 1
            left -= len(part.validation)
        else:
            np.testing.assert_array_equal(part.test, whole.test)
        assert 0 <= left - len(part.train) <= 1


@settings(max_examples=40)
@given(st.sampled_from([n for n in NAMES if n != "diabetes"]), RESAMPLINGS, st.integers(0, 2**32 - 1))
def test_each_class_has_its_share_of_every_part_of_a_fold(name: str, how: Resampling, seed: int) -> None:
    y = DATASETS[name].y
    whole = split(DATASETS[name], seed)
    beside = y[np.concatenate([whole.train, whole.validation])]
    for part in folds(DATASETS[name], whole, how, seed):
        judging = fold_of(part, how)
        for number in np.unique(y):
            share = (beside == number).mean()
            assert abs((y[judging] == number).sum() - (beside == number).sum() / how.folds) < 1
            # What a fold has too much of a class the rows beside it have too little of, and they are divided again.
            for rows in (part.train, part.validation):
                assert abs((y[rows] == number).sum() - share * len(rows)) <= 2


@settings(max_examples=20)
@EVERY
def test_the_same_seed_gives_the_same_folds_and_another_seed_others(name: str, how: Resampling, seed: int) -> None:
    dataset = DATASETS[name]
    whole = split(dataset, seed)
    first, again, other = ([_listed(part) for part in folds(dataset, whole, how, s)] for s in (seed, seed, seed ^ 1))
    assert first == again
    assert all(one != another for one, another in zip(first, other, strict=True))
    assert all(one != another for one, another in combinations(first, 2))


def _listed(part: Split) -> list[list[int]]:
    return [part.train.tolist(), part.validation.tolist(), part.test.tolist()]


def test_a_holdout_is_the_split_itself() -> None:
    whole = split(DATASETS["iris"], 4)
    assert folds(DATASETS["iris"], whole, resampling("holdout", 5), 4) == [whole]


def few(rows: int, minority: int | None) -> Dataset:
    """A small regression, or a binary task with so many rows of the second class."""
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(rows, 2)).astype(np.float32), rng.normal(size=rows).astype(np.float32)
    if minority is None:
        return Dataset(x, targets, "regression", ("a", "b"), ())
    return Dataset(x, (np.arange(rows) < minority).astype(np.int64), "binary", ("a", "b"), ("0", "1"))


@pytest.mark.parametrize("kind", ["kfold", "repeated_kfold", "nested_kfold"])
@pytest.mark.parametrize(
    ("dataset", "most"),
    [(few(20, None), 8), (few(21, None), 8), (few(30, 5), 4), (few(60, 10), 8)],
    ids=["regression", "an odd row", "a rare class", "a class of ten"],
)
def test_too_many_folds_are_refused_with_the_largest_number_that_is_possible(
    dataset: Dataset, most: int, kind: str
) -> None:
    whole = split(dataset, 0)
    for count in (most + 1, 100):
        with pytest.raises(DatasetError, match=rf"cannot be divided into {count} folds; use at most {most}, "):
            folds(dataset, whole, resampling(kind, count), 0)
    for part in folds(dataset, whole, resampling(kind, most), 0):
        judging = fold_of(part, resampling(kind, most))
        assert len(judging) >= 2
        assert dataset.task == "regression" or len(np.unique(dataset.y[judging])) == 2


def test_every_fold_is_scaled_by_its_own_training_rows_and_the_whole_split_stands_behind_them() -> None:
    spec = study(dataset={"kind": "builtin", "name": "diabetes"}, resampling={"kind": "nested_kfold", "repeats": 2})
    found = prepare_folds(spec.dataset, 3, spec.resampling)
    parts, whole = found[: spec.resampling.fits], found[spec.resampling.fits]
    assert len(parts) == 10
    assert _listed(whole.rows) == _listed(split(DATASETS["diabetes"], 3))
    for part in parts:
        np.testing.assert_allclose(part.train.x.mean(axis=0, dtype=np.float64), 0, atol=1e-4)
        np.testing.assert_allclose(part.train.y.std(dtype=np.float64), 1, atol=1e-4)
    assert len({float(part.target_scaling.deviation) for part in parts}) == 10


def result(loss: float, epochs: int, **changes: Any) -> TrialResult:
    metrics = {"val_loss": loss, "val_accuracy": 1 - loss / 10, "val_auc": float("nan")}
    detail = {"layers": [loss], "feature_norms": [0.0, loss, 2.0]}
    plain = TrialResult(metrics, {"nonzero": 10 * loss}, detail, {"val_loss": [loss]}, epochs, epochs - 1, False)
    return replace(plain, **changes)


def test_the_result_of_several_folds_has_means_deviations_and_an_entry_a_fold() -> None:
    spec = study(objectives=["val_loss", "nonzero_weights"], resampling={"kind": "kfold", "folds": 3})
    parts = [result(1.0, 4), result(3.0, 6, stopped_early=True), result(8.0, 8)]
    mean = mean_result(parts, spec)
    assert mean.values(spec) == pytest.approx([4.0, 40.0])
    assert mean.metrics["val_accuracy"] == pytest.approx(0.6)
    deviations = [mean.metrics[f"{name}_deviation"] for name in spec.objectives]
    assert deviations == pytest.approx([np.std([1, 3, 8], ddof=1), np.std([10, 30, 80], ddof=1)])
    assert (mean.epochs, mean.best_epoch, mean.stopped_early) == (6, 5, True)
    assert (mean.curve, mean.detail["layers"]) == (parts[0].curve, [1.0])
    entries = mean.detail["folds"]
    assert [entry["metrics"]["val_loss"] for entry in entries] == [1.0, 3.0, 8.0]
    assert [entry["metrics"]["val_auc"] for entry in entries] == [None] * 3  # for JSON knows no NaN
    assert [(entry["epochs"], entry["weights"]) for entry in entries] == [(p.epochs, p.weights) for p in parts]
    assert [entry["features"] for entry in entries] == [[2, 1], [1, 2], [1, 2]]  # by norm, without those of norm 0


def test_one_fold_deviates_by_nothing_and_a_holdout_is_its_one_training() -> None:
    one = result(2.0, 5)
    assert mean_result([one], study(resampling={"kind": "kfold"})).metrics["val_loss_deviation"] == 0
    assert mean_result([one], study()) is one


@pytest.mark.parametrize("name", NAMES)
def test_what_confirms_is_divided_apart_from_what_was_searched_on(name: str) -> None:
    dataset = DATASETS[name]
    whole = split(dataset, 3)
    searched = folds(dataset, whole, resampling("kfold", 5), 3)
    how = resampling("nested_kfold", 5, 3)
    confirmed = {tuple(fold_of(part, how)) for part in folds(dataset, whole, how, 3)}
    assert confirmed.isdisjoint(tuple(part.validation) for part in searched)
