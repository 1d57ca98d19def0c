"""Datasets: what they hold, how they are split, how they are scaled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.datasets.catalog import Dataset, load
from studies.datasets.preprocessing import PreparedData, prepare
from studies.datasets.splits import split
from studies.errors import DatasetError
from studies.spec.dataset import BuiltinDataset, BuiltinName, DatasetSpec, SyntheticDataset, SyntheticName

BUILTINS: list[DatasetSpec] = [BuiltinDataset(kind="builtin", name=name) for name in get_args(BuiltinName)]
SYNTHETICS: list[DatasetSpec] = [SyntheticDataset(kind="synthetic", name=name) for name in get_args(SyntheticName)]
EVERY = pytest.mark.parametrize("spec", BUILTINS + SYNTHETICS, ids=lambda spec: spec.name)
SEEDS = st.integers(0, 2**32 - 1)
BY_NAME: dict[str, Dataset] = {
    spec.name: load(spec) for spec in BUILTINS if spec.name in {"iris", "wine", "breast_cancer", "diabetes"}
}


@EVERY
def test_a_dataset_is_what_its_facts_say(spec: DatasetSpec) -> None:
    dataset, facts = load(spec), spec.facts
    assert dataset.task == facts.task
    assert dataset.x.shape == (facts.rows, *facts.shape)
    assert dataset.y.shape == (facts.rows,)
    assert dataset.x.dtype == np.float32
    assert np.isfinite(dataset.x).all()
    if facts.task == "regression":
        assert (facts.classes, dataset.class_names, dataset.y.dtype.name) == (0, (), "float32")
    else:
        assert sorted(set(dataset.y.tolist())) == list(range(facts.classes))
        assert (len(dataset.class_names), dataset.y.dtype.name) == (facts.classes, "int64")
    assert len(dataset.feature_names) == (0 if len(facts.shape) > 1 else facts.shape[0])


@EVERY
def test_a_dataset_prepared_twice_is_the_same(spec: DatasetSpec) -> None:
    first, second = prepare(spec, 3), prepare(spec, 3)
    for ours, theirs in zip(_parts(first), _parts(second), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _parts(data: PreparedData) -> list[npt.NDArray[Any]]:
    return [part for kind in (data.train, data.validation, data.test()) for part in (kind.x, kind.y)]


@settings(max_examples=25)
@given(st.sampled_from(sorted(BY_NAME)), SEEDS)
def test_a_split_takes_every_row_once_in_shares_of_60_20_20(name: str, seed: int) -> None:
    dataset = BY_NAME[name]
    parts = split(dataset, seed)
    rows = np.concatenate([parts.train, parts.validation, parts.test])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(dataset.y)))
    for part, share in ((parts.train, 0.6), (parts.validation, 0.2), (parts.test, 0.2)):
        assert abs(len(part) - share * len(dataset.y)) < 2  # both cuts round up


@settings(max_examples=25)
@given(st.sampled_from(["breast_cancer", "iris", "wine"]), SEEDS)
def test_each_class_has_its_share_of_each_part_within_a_row(name: str, seed: int) -> None:
    y = BY_NAME[name].y
    parts = split(BY_NAME[name], seed)
    for part in (parts.train, parts.validation, parts.test):
        for number in np.unique(y):
            assert abs((y[part] == number).sum() - (y == number).mean() * len(part)) <= 1


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    splits = [split(BY_NAME["iris"], seed).test.tolist() for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_class_of_too_few_rows_to_stand_in_every_part_is_refused(members: int) -> None:
    y = np.zeros(100, np.int64)
    y[:members] = 1
    dataset = Dataset(np.zeros((100, 2), np.float32), y, "binary", ("a", "b"), ("0", "1"))
    for seed in range(20):
        try:
            parts = split(dataset, seed)
        except DatasetError:
            continue
        assert all(len(np.unique(y[part])) == 2 for part in (parts.train, parts.validation, parts.test))


def test_a_class_of_one_row_is_named_in_the_refusal() -> None:
    dataset = replace(BY_NAME["iris"], y=np.r_[np.zeros(149, np.int64), 1])
    with pytest.raises(DatasetError, match=r"cannot be split: .*1 member"):
        split(dataset, 0)


@EVERY
def test_the_training_part_has_mean_0_and_deviation_1(spec: DatasetSpec) -> None:
    data = prepare(spec, 5)
    raw = data.dataset.x[data.rows.train]
    if raw.ndim > 2:
        assert float(data.train.x.mean()) == pytest.approx(0, abs=1e-5)
        assert float(data.train.x.std()) == pytest.approx(1, abs=1e-4)
    else:
        constant = raw.std(axis=0) == 0
        np.testing.assert_allclose(data.train.x.mean(axis=0, dtype=np.float64), 0, atol=1e-4)
        np.testing.assert_allclose(data.train.x.std(axis=0, dtype=np.float64)[~constant], 1, atol=1e-4)
        np.testing.assert_array_equal(data.train.x[:, constant], 0)
    if data.task == "regression":
        assert float(data.train.y.mean()) == pytest.approx(0, abs=1e-5)
        assert float(data.train.y.std()) == pytest.approx(1, abs=1e-4)


@settings(max_examples=10)
@given(st.sampled_from(["iris", "diabetes", "wine"]), SEEDS)
def test_rows_that_are_not_trained_on_change_nothing_of_the_scaling(name: str, seed: int) -> None:
    dataset = BY_NAME[name]
    rows = split(dataset, seed)
    hidden = np.r_[rows.validation, rows.test]
    x, y = dataset.x.copy(), dataset.y.copy()
    x[hidden] = x[hidden] * 1000 + 7
    if dataset.task == "regression":
        y[hidden] *= 1000
    one, other = PreparedData(dataset, rows), PreparedData(replace(dataset, x=x, y=y), rows)
    np.testing.assert_array_equal(one.train.x, other.train.x)
    np.testing.assert_array_equal(one.train.y, other.train.y)
    assert not np.array_equal(one.validation.x, other.validation.x)


@EVERY
def test_every_part_is_scaled_alike_and_targets_have_the_shape_of_their_task(spec: DatasetSpec) -> None:
    data = prepare(spec, 1)
    scaling = data.input_scaling
    for part, rows in ((data.validation, data.rows.validation), (data.test(), data.rows.test)):
        np.testing.assert_allclose(
            part.x * scaling.deviation + scaling.mean, data.dataset.x[rows], rtol=1e-3, atol=1e-3
        )
        raw = data.dataset.y[rows]
        if data.task == "multiclass":
            assert part.y.dtype == np.int32
            np.testing.assert_array_equal(part.y, raw)
        else:
            assert (part.y.shape, part.y.dtype.name) == ((len(rows), 1), "float32")
            own_unit = part.y[:, 0] * data.target_scaling.deviation + data.target_scaling.mean
            np.testing.assert_allclose(own_unit, raw, rtol=1e-4)
    assert (data.classes, data.input_shape) == (spec.facts.classes, spec.facts.shape)
