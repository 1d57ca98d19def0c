"""Synthetic data: its truth is where it says, as scikit-learn's linear models find it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression

from studies.datasets.catalog import Dataset, load
from studies.datasets.preprocessing import prepare
from studies.spec.dataset import SYNTHETIC, SyntheticDataset, SyntheticName


def drawn(name: SyntheticName, **parts: Any) -> Dataset:
    return load(SyntheticDataset(kind="synthetic", name=name, **parts))


def informative(dataset: Dataset) -> list[int]:
    assert dataset.informative is not None
    return list(dataset.informative)


@pytest.mark.parametrize("name", ["few_informative", "noisy_labels", "wide", "clean"])
def test_the_informative_columns_alone_tell_the_classes_apart(name: SyntheticName) -> None:
    dataset = drawn(name, rows=1500, label_noise=0)
    x = dataset.x[:, informative(dataset)]
    model = LogisticRegression(C=1e4, max_iter=2000).fit(x[:1000], dataset.y[:1000])
    assert model.score(x[1000:], dataset.y[1000:]) > 0.98


@pytest.mark.parametrize("name", ["few_informative", "wide"])
def test_the_other_columns_tell_nothing_of_the_classes(name: SyntheticName) -> None:
    dataset = drawn(name, rows=3000, features=40)
    x = np.delete(dataset.x, informative(dataset), axis=1)
    model = LogisticRegression(max_iter=2000).fit(x[:2000], dataset.y[:2000])
    assert model.score(x[2000:], dataset.y[2000:]) == pytest.approx(0.5, abs=0.06)


@settings(max_examples=15)
@given(st.sampled_from([0.05, 0.2, 0.5]), st.integers(0, 1000))
def test_label_noise_flips_its_share_of_the_labels_and_nothing_else(share: float, seed: int) -> None:
    pure, noisy = (drawn("clean", rows=5000, label_noise=noise, seed=seed) for noise in (0, share))
    np.testing.assert_array_equal(pure.x, noisy.x)
    assert (pure.y != noisy.y).mean() == pytest.approx(share, abs=0.03)


def test_the_recipe_of_noisy_labels_flips_a_fifth() -> None:
    dataset = drawn("noisy_labels", rows=5000)
    x = dataset.x[:, informative(dataset)]
    assert LogisticRegression(C=1e4).fit(x, dataset.y).score(x, dataset.y) == pytest.approx(0.8, abs=0.02)


def test_a_regression_without_noise_is_a_linear_function_of_its_informative_columns() -> None:
    dataset = drawn("sparse_regression", label_noise=0)
    x = dataset.x[:, informative(dataset)]
    model = LinearRegression().fit(x, dataset.y)
    assert model.score(x, dataset.y) > 0.999999
    assert np.all((np.abs(model.coef_) > 0.99) & (np.abs(model.coef_) < 2.01))
    assert set(np.sign(model.coef_)) == {-1.0, 1.0}


def test_the_noise_of_a_regression_is_a_share_of_the_targets_deviation() -> None:
    dataset = drawn("sparse_regression", rows=20_000, label_noise=0.3)
    x = dataset.x[:, informative(dataset)]
    assert LinearRegression().fit(x, dataset.y).score(x, dataset.y) == pytest.approx(1 / (1 + 0.3**2), abs=0.01)


def test_a_lasso_finds_the_informative_columns_of_the_sparse_regression() -> None:
    data = prepare(SyntheticDataset(kind="synthetic", name="sparse_regression"), 0)
    kept = np.flatnonzero(Lasso(alpha=0.1).fit(data.train.x, data.train.y.ravel()).coef_)
    assert kept.tolist() == informative(data.dataset)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_another_seed_draws_other_data_and_the_same_seed_the_same(name: SyntheticName) -> None:
    first, again, other = (drawn(name, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert first.informative == again.informative
    assert not np.array_equal(first.x, other.x)


@given(st.integers(30, 200), st.integers(1, 30), st.data())
def test_what_the_study_asks_for_replaces_the_recipe(rows: int, features: int, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(1, features))
    spec = SyntheticDataset(kind="synthetic", name="wide", rows=rows, features=features, informative=chosen)
    dataset = load(spec)
    assert dataset.x.shape == (rows, features) == (spec.facts.rows, *spec.facts.shape)
    assert len(informative(dataset)) == chosen == len(set(informative(dataset)))


def test_fewer_features_than_the_recipe_has_informative_ones_make_all_informative() -> None:
    assert informative(drawn("few_informative", features=3)) == [0, 1, 2]
