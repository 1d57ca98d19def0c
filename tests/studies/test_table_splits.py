"""Dividing rows at random, by class, by group, and in the order of time."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from studies.datasets.catalog import Dataset
from studies.datasets.splits import Split, folds, split, time_fold_limits, time_obstacle
from studies.errors import DatasetError
from studies.spec.resampling import MAX_FOLDS, Resampling, SplitStrategy
from studies.study_file import parse
from tests.studies.uploads import uploaded

Rows = npt.NDArray[np.int64]
SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(["kfold", "repeated_kfold", "nested_kfold"])


def dataset(rows: int, seed: int, task: str = "binary", groups: int | None = None, times: int | None = None) -> Dataset:
    rng = np.random.default_rng(seed)
    y: npt.NDArray[Any] = rng.normal(size=rows).astype(np.float32)
    names: tuple[str, ...] = ()
    if task != "regression":
        y, names = rng.permutation(np.arange(rows) % 2), ("0", "1")
    of_group = None if groups is None else rng.permutation(np.arange(rows) % groups)
    of_time = None if times is None else rng.integers(0, times, rows).astype(float)
    x = np.zeros((rows, 1), np.float32)
    return Dataset(x, y, task, ("a",), names, groups=of_group, times=of_time)  # type: ignore[arg-type]


def resampling(kind: str, count: int = 3, repeats: int = 2, division: SplitStrategy = "auto") -> Resampling:
    return Resampling.model_validate({"kind": kind, "folds": count, "repeats": repeats, "split": division})


def parts(of: Split) -> tuple[Rows, Rows, Rows]:
    return of.train, of.validation, of.test


def all_splits(data: Dataset, how: Resampling, seed: int) -> list[Split]:
    whole = split(data, seed, how.split)
    taken = np.sort(np.concatenate(parts(whole)))
    np.testing.assert_array_equal(taken, np.arange(len(data.y)))
    found = [whole, *folds(data, whole, how, seed)]
    for one in found:
        assert all(not np.intersect1d(a, b).size for a, b in combinations(parts(one), 2))
        assert all(len(part) and len(np.unique(part)) == len(part) for part in parts(one))
        if how.nested and one is not whole:
            assert not np.intersect1d(whole.test, np.concatenate(parts(one))).size
    return found


@settings(max_examples=40)
@given(SEEDS, KINDS, st.integers(60, 200), st.integers(20, 40), st.sampled_from(["binary", "regression"]))
def test_no_group_stands_on_two_sides(seed: int, kind: str, rows: int, groups: int, task: str) -> None:
    data = dataset(rows, seed, task, groups)
    assert data.groups is not None
    for found in all_splits(data, resampling(kind), seed):
        for one, other in combinations(parts(found), 2):
            assert not np.intersect1d(data.groups[one], data.groups[other]).size
        if task == "binary":
            assert all(len(np.unique(data.y[part])) == 2 for part in parts(found))


@settings(max_examples=40)
@given(SEEDS, st.sampled_from(["kfold", "nested_kfold"]), st.integers(80, 200), st.integers(50, 400))
def test_training_rows_come_before_those_that_judge(seed: int, kind: str, rows: int, times: int) -> None:
    data = dataset(rows, seed, "regression", times=times)
    assert data.times is not None
    whole, *found = all_splits(data, resampling(kind, 3, 1), seed)
    for one in (whole, *found):
        for before, behind in pairwise(parts(one)):
            assert data.times[before].max() < data.times[behind].min()
    sizes = [len(one.train) for one in found]
    assert sizes == sorted(set(sizes))  # they grow
    known = [set(one.train.tolist()) for one in found]
    assert all(one < other for one, other in pairwise(known))


@pytest.mark.parametrize(("of_last", "part"), [(range(120, 200), "test"), (range(200, 260), "training")])
def test_a_class_that_a_part_lacks_is_named_with_the_part_and_the_order(of_last: range, part: str) -> None:
    y = np.isin(np.arange(300), of_last).astype(np.int64)
    data = replace(dataset(300, 0), y=y, class_names=("no", "yes"), times=np.arange(300.0))
    why = f"in the order of time: class 'yes' has {len(of_last)} of 300 rows, and none of them is in the {part} part$"
    with pytest.raises(DatasetError, match=why):
        split(data, 0, "time")


@settings(max_examples=30)
@given(SEEDS, KINDS, st.sampled_from(["random", "stratified"]))
def test_rows_may_be_divided_at_random_or_by_class_whatever_columns_there_are(
    seed: int, kind: str, division: SplitStrategy
) -> None:
    data = dataset(120, seed, groups=6, times=10)
    found = all_splits(data, resampling(kind, division=division), seed)
    for one in found:
        shares = [abs(float(data.y[part].mean()) - 0.5) for part in parts(one)]
        assert division == "random" or max(shares) < 0.1
    sizes = {len(one.train) for one in found[1:]}
    assert len(sizes) == 1


def test_a_division_at_random_is_not_by_class() -> None:
    data = dataset(120, 0)
    assert np.array_equal(split(data, 3).train, split(data, 3, "stratified").train)
    assert not np.array_equal(split(data, 3).train, split(data, 3, "random").train)


def test_groups_of_very_different_sizes_leave_few_rows_out() -> None:
    data = replace(dataset(200, 0, "regression"), groups=np.repeat(np.arange(8), [80, 40, 30, 20, 10, 10, 5, 5]))
    whole = split(data, 1)
    found = folds(data, whole, resampling("kfold", 2), 1)
    beside = len(whole.train) + len(whole.validation)
    assert all(len(one.train) + len(one.validation) >= 0.95 * beside for one in found)


REFUSED: dict[str, tuple[Dataset, Resampling, str]] = {
    "no groups": (dataset(60, 0), resampling("kfold", division="group"), "the dataset has no group column"),
    "no times": (dataset(60, 0), resampling("kfold", division="time"), "the dataset has no time column"),
    "no classes": (
        dataset(60, 0, "regression"),
        resampling("kfold", division="stratified"),
        "a regression has no classes",
    ),
    "both": (
        dataset(60, 0, groups=9, times=9),
        resampling("kfold"),
        "a time and a group column; say with resampling.split",
    ),
    "few groups": (
        dataset(60, 0, groups=4),
        resampling("kfold"),
        "cannot be divided into shares of 1 to 4: .* 4 groups",
    ),
    "fewer groups than folds": (
        dataset(60, 0, groups=9),
        resampling("kfold", 8),
        "cannot be divided into 8 folds by group: they are of 7 groups",
    ),
    "one time": (dataset(60, 0, times=1), resampling("kfold", 3, 1), "nearly all are of the same time"),
    "few times": (
        dataset(60, 0, times=5),
        resampling("kfold", 9, 1),
        "into 9 folds in the order of time: they are of 4 times",
    ),
    "repeats in time": (
        dataset(60, 0, times=60),
        resampling("repeated_kfold", 3, 2),
        "divided into folds in one way only; use repeats: 1",
    ),
}


@pytest.mark.parametrize(("data", "how", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_divided_so_is_refused(data: Dataset, how: Resampling, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        folds(data, split(data, 0, how.split), how, 0)


def test_a_class_that_no_early_row_has_is_named() -> None:
    data = replace(dataset(100, 0, times=100), times=np.arange(100.0), y=(np.arange(100) % 100 > 30).astype(np.int64))
    data = replace(data, y=np.where(np.arange(100) % 10 == 9, 0, data.y))
    whole = split(data, 0)
    with pytest.raises(DatasetError, match="fold 1 has no training row of the class '1'"):
        folds(data, whole, resampling("kfold", 4, 1), 0)


@settings(max_examples=60)
@given(SEEDS, st.integers(40, 200), st.sampled_from([12, 60, 10_000]), st.floats(0, 0.5))
def test_the_folds_that_the_order_of_time_bears_are_known_before_they_are_made(
    seed: int, rows: int, times: int, unseen: float
) -> None:
    data = dataset(rows, seed, times=times)
    assert data.times is not None
    begins = np.quantile(data.times, unseen)
    data = replace(data, y=np.where(data.times < begins, 0, data.y), class_names=("no", "yes"))
    assume(not time_obstacle(data))
    whole, (limit, nested) = split(data, 0), time_fold_limits(data)
    if limit.most > 1:
        folds(data, whole, resampling("kfold", limit.most, 1), 0)
    if limit.most < MAX_FOLDS:
        with pytest.raises(DatasetError, match=re.escape(limit.why)):
            folds(data, whole, resampling("kfold", limit.most + 1, 1), 0)
        with pytest.raises(DatasetError):
            folds(data, whole, resampling("nested_kfold", nested.most + 1, 1), 0)


def document(tmp_path: Any, how: dict[str, Any], unseen: int = 0, **options: Any) -> dict[str, Any]:
    file = tmp_path / "table.csv"
    rows = [f"{i},{i % 7},{i // 4},{i % 2 if i > unseen else 0}" for i in range(40)]
    file.write_text("\n".join(["t,a,g,y", *rows]))
    spec, _ = uploaded(file, **options)
    return {"dataset": spec.model_dump(mode="json"), "resampling": how}


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "too many folds": ({"kind": "kfold", "folds": 30}, {}, "cannot be divided into 30 folds; use at most 16"),
    "time without a column": ({"split": "time"}, {}, "resampling.split: the dataset has no time column"),
    "group without a column": ({"split": "group"}, {}, "resampling.split: the dataset has no group column"),
    "both columns": ({}, {"time": "t", "group": "g"}, "resampling.split: the dataset has a time and a group column"),
    "repeats in time": ({"kind": "repeated_kfold"}, {"time": "t"}, "resampling.repeats: in the order of time"),
    "a class that the first fold lacks": (
        {"kind": "kfold", "folds": 6},
        {"time": "t", "unseen": 4},
        "folds: with 5 folds in the order of time fold 1 has no training row of the class '1'; use at most 4$",
    ),
    "the same where training is stopped by early rows": (
        {"kind": "nested_kfold", "folds": 5, "repeats": 1},
        {"time": "t", "unseen": 4},
        "folds: with 4 folds in the order of time fold 1 has .* '1'; use at most 3$",
    ),
    "classes of a regression": (
        {"split": "stratified"},
        {"target": "a", "task": "regression"},
        "resampling.split: a regression has no classes",
    ),
}


@pytest.mark.parametrize(("how", "options", "message"), WRONG.values(), ids=WRONG)
def test_a_study_that_asks_for_it_is_refused_before_any_worker_sees_it(
    tmp_path: Any, how: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        parse(document(tmp_path, how, **options))


def test_a_study_may_say_how_rows_are_divided(tmp_path: Any) -> None:
    spec = parse(document(tmp_path, {"kind": "kfold", "split": "time"}, time="t", group="g"))
    assert spec.ordered
    assert not parse(document(tmp_path, {"split": "group"}, time="t", group="g")).ordered
