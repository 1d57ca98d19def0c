"""What stands behind the folds of a confirmation for the model that people take away: all rows, and folds of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.datasets.catalog import Dataset
from studies.datasets.preprocessing import divide, prepare_folds
from studies.datasets.splits import Split, delivery_folds, folds, split, train_on_all
from studies.errors import DatasetError
from studies.spec.comparison import DELIVERY_FOLDS, DELIVERY_REPEATS
from studies.spec.resampling import Resampling
from tests.studies.documents import IRIS, study
from tests.studies.test_table_splits import dataset

NESTED = Resampling.model_validate({"kind": "nested_kfold", "folds": 2, "repeats": 1})
SEEDS = st.integers(0, 2**32 - 1)
DIVISIONS: dict[str, dict[str, Any]] = {
    "random": {"task": "regression"},
    "stratified": {},
    "group": {"groups": 12},
    "groups of a regression": {"groups": 12, "task": "regression"},
}


def stopped_by(found: list[Split]) -> list[int]:
    return [int(row) for part in found for row in part.validation]


@pytest.mark.parametrize("division", DIVISIONS)
@settings(max_examples=15)
@given(rows=st.integers(40, 120), seed=SEEDS)
def test_every_row_stops_one_fold_and_trains_the_others(division: str, rows: int, seed: int) -> None:
    data = dataset(rows, seed, **DIVISIONS[division])
    found = delivery_folds(data, NESTED, seed)
    assert len(found) == DELIVERY_FOLDS * DELIVERY_REPEATS
    for first in range(0, len(found), DELIVERY_FOLDS):
        assert sorted(stopped_by(found[first : first + DELIVERY_FOLDS])) == list(range(rows))
    for part in found:
        assert not np.intersect1d(part.train, part.validation).size
        assert part.test is part.validation or np.array_equal(part.test, part.validation)
        assert len(part.train) >= 0.95 * (rows - len(part.validation)) - 1
        if data.groups is not None:
            assert not np.intersect1d(data.groups[part.train], data.groups[part.validation]).size
    if data.groups is None:  # one compiled program serves them all
        assert len({len(part.train) for part in found}) == 1


@settings(max_examples=15)
@given(rows=st.integers(40, 120), seed=SEEDS, times=st.integers(20, 400))
def test_in_the_order_of_time_the_latest_rows_stop_the_one_fold(rows: int, seed: int, times: int) -> None:
    data = dataset(rows, seed, "regression", times=times)
    assert data.times is not None
    [part] = delivery_folds(data, NESTED, seed)
    assert sorted([*part.train, *part.validation]) == list(range(rows))
    assert data.times[part.train].max() < data.times[part.validation].min()
    assert 0 < len(part.validation) < rows / 2


@pytest.mark.parametrize(("rare", "count"), [(3, 3), (7, 7), (10, 10), (25, 10)])
def test_there_are_no_more_folds_than_rows_of_the_rarest_class(rare: int, count: int) -> None:
    y = (np.arange(60) < rare).astype(np.int64)
    data = Dataset(np.zeros((60, 1), np.float32), y, "binary", ("a",), ("0", "1"))
    found = delivery_folds(data, NESTED, 0)
    assert len(found) == count * DELIVERY_REPEATS
    assert all(len(np.unique(y[part.validation])) == 2 for part in found)


@pytest.mark.filterwarnings("ignore:The least populated class in y:UserWarning")
@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 40), min_size=8, max_size=14),
    task=st.sampled_from(["binary", "regression"]),
    seed=SEEDS,
)
def test_groups_that_can_be_confirmed_on_can_be_delivered(sizes: list[int], task: str, seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    y: Any = rng.integers(0, 2, len(groups)) if task == "binary" else rng.normal(size=len(groups)).astype(np.float32)
    names = ("0", "1") if task == "binary" else ()
    data = Dataset(np.zeros((len(groups), 1), np.float32), y, task, ("a",), names, groups=groups)  # type: ignore[arg-type]
    try:
        folds(data, split(data, seed), NESTED, seed)
    except DatasetError:
        return  # refused for its own reasons
    found = delivery_folds(data, NESTED, seed)
    count, rest = divmod(len(found), DELIVERY_REPEATS)
    assert (2 <= count <= min(DELIVERY_FOLDS, len(sizes)), rest) == (True, 0)
    assert sorted(stopped_by(found)) == sorted(list(range(len(groups))) * DELIVERY_REPEATS)
    assert all(not np.intersect1d(groups[part.train], groups[part.validation]).size for part in found)


def test_all_rows_are_trained_on_for_a_refit() -> None:
    data = dataset(50, 3)
    whole = split(data, 3)
    found = train_on_all(whole)
    np.testing.assert_array_equal(found.train, np.arange(50))
    assert (found.validation is whole.validation, found.test is whole.test) == (True, True)


def test_behind_the_folds_stand_the_whole_all_rows_and_the_folds_of_a_delivery() -> None:
    spec = study(resampling={"kind": "nested_kfold", "folds": 3, "repeats": 2})
    found = prepare_folds(spec.dataset, 3, spec.resampling)
    dataset_of_all = found[0].dataset
    whole = split(dataset_of_all, 3)
    assert len(found) == spec.resampling.fits + 2 + DELIVERY_FOLDS * DELIVERY_REPEATS
    parts = [part.rows for part in found[spec.resampling.fits :]]
    expected = [whole, train_on_all(whole), *delivery_folds(dataset_of_all, spec.resampling, 3)]
    for part, wanted in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(part.train, wanted.train)
        np.testing.assert_array_equal(part.validation, wanted.validation)
        np.testing.assert_array_equal(part.test, wanted.test)


def test_nothing_is_prepared_for_a_delivery_where_nothing_is_confirmed() -> None:
    for kind, count in (("holdout", 1), ("kfold", 4)):
        spec = study(dataset=IRIS, resampling={"kind": kind, "folds": 3} if kind == "kfold" else {"kind": kind})
        assert len(divide(prepare_folds(spec.dataset, 3, spec.resampling)[0].dataset, 3, spec.resampling)) == count
