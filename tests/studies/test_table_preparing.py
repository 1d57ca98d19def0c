"""Tables prepared for training: the same inputs in every fold, and nothing fitted on rows that judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from studies.datasets import pipeline
from studies.datasets.catalog import Dataset, from_table
from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.datasets.splits import folds, split
from studies.errors import DatasetError
from studies.spec.resampling import Resampling
from tests.studies.uploads import mixed, table, text, uploaded

Array = npt.NDArray[Any]


def dataset(folder: Path, columns: dict[str, list[Any]], **options: Any) -> Dataset:
    return from_table(table(folder, columns, **options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return dataset(tmp_path_factory.mktemp("table"), mixed(300))


def test_the_inputs_are_named_by_what_they_say(whole: Dataset) -> None:
    assert whole.feature_names == (
        "age", "age (missing)", "income",
        "city=Rome", "city=Oslo", "city=Lima", "city=Bonn", "city (missing)",
        "member", "since (days)", "since (month)", "since (day)", "since (weekday)", "since (missing)",
    )  # fmt: skip
    assert whole.x.shape == (300, len(whole.feature_names))
    assert whole.x.dtype == np.float32


def test_the_inputs_are_those_of_scikit_learns_transformers(whole: Dataset) -> None:
    columns, data = mixed(300), PreparedData(whole, split(whole, 4))
    raw = np.empty((300, 3), object)
    for place, name in enumerate(("age", "income", "city")):
        raw[:, place] = [np.nan if value is None and name != "city" else value for value in columns[name]]
    number = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    levels = ["Rome", "Oslo", "Lima", "Bonn"]
    oracle = ColumnTransformer(
        [
            ("age", number, [0]),
            ("age (missing)", MissingIndicator(features="all"), [0]),
            ("income", StandardScaler(), [1]),
            ("city", OneHotEncoder(categories=[levels], handle_unknown="ignore", sparse_output=False), [2]),
        ]
    ).fit(raw[data.rows.train])
    for part, rows in ((data.train, data.rows.train), (data.validation, data.rows.validation)):
        np.testing.assert_allclose(part.x[:, :7], oracle.transform(raw[rows]).astype(np.float32), rtol=1e-4, atol=1e-5)
    assert set(np.unique(data.train.x[:, 8])) == {0, 1}


def test_dates_are_days_months_and_weekdays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = np.datetime64("2023-12-25") + rng.integers(0, 60, 100)
    moments = days.astype("datetime64[m]") + rng.integers(0, 1440, 100)
    found = dataset(tmp_path, {"d": moments.astype(str).tolist(), "y": list(range(100))})
    assert found.feature_names == ("d (days)", "d (month)", "d (day)", "d (weekday)", "d (hour)")
    as_python = [moment.item() for moment in moments]
    np.testing.assert_array_equal(found.x[:, 1], [moment.month for moment in as_python])
    np.testing.assert_array_equal(found.x[:, 2], [moment.day for moment in as_python])
    np.testing.assert_array_equal(found.x[:, 3], [moment.weekday() for moment in as_python])
    np.testing.assert_allclose(found.x[:, 4], [moment.hour + moment.minute / 60 for moment in as_python], rtol=1e-6)


def test_rare_levels_are_one_input_together_and_two_levels_are_one(tmp_path: Path) -> None:
    many = [f"v{i % 40:02}" for i in range(400)]
    rare = ["a"] * 200 + ["b"] * 192 + [f"r{i}" for i in range(8)]
    found = dataset(
        tmp_path,
        {"many": many, "rare": rare, "two": ["u", "v"] * 200, "id": [f"i{i}" for i in range(400)], "y": [0, 1] * 200},
    )
    names = found.feature_names
    assert [name for name in names if name.startswith("many")] == [
        *(f"many=v{i:02}" for i in range(30)),
        "many=(other)",
    ]
    assert [name for name in names if name.startswith("rare")] == ["rare=a", "rare=b", "rare=(other)"]
    assert [name for name in names if name[:2] in {"tw", "id"}] == ["two=v"]
    np.testing.assert_array_equal(found.x[:, :31].sum(axis=1), 1)


def test_inputs_have_different_names_whatever_the_columns_are_called(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"a": ["u", "v", "w"] * 40, "a=u": list(range(120)), "y": [0, 1] * 60}
    assert dataset(tmp_path, columns).feature_names == ("a=u", "a=v", "a=w", "a=u'")


def test_a_table_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing to predict from"):
        dataset(tmp_path, {"a": [1] * 20, "b": [f"u{i}" for i in range(20)], "y": [0, 1] * 10})


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_rows_that_are_not_trained_on_change_nothing(whole: Dataset, seed: int) -> None:
    rows = split(whole, seed)
    hidden = np.concatenate([rows.validation, rows.test])
    x = whole.x.copy()
    x[hidden] = np.where(np.isnan(x[hidden]), 1e6, np.nan)[:, np.random.default_rng(seed).permutation(x.shape[1])]
    one, other = PreparedData(whole, rows), PreparedData(replace(whole, x=x), rows)
    np.testing.assert_array_equal(one.train.x, other.train.x)


def planted(rows: int = 400) -> tuple[dict[str, list[Any]], Any]:
    """Columns that tell the classes of the rows that judge, and those alone.

    Of training rows the first is 5 in all, and the second 5 or missing: fitted on those, both are 0 in all of them, and
    nothing can be learnt. With the others' larger values in view they are below 0 in all training rows, whose most are
    of class 1; so a model learns that low is 1, which is true of the rows that judge.
    """
    rng = np.random.default_rng(0)
    y = (np.arange(rows) % 10 < 7).astype(np.int64)
    bare = Dataset(np.zeros((rows, 1), np.float32), y, "binary", ("a",), ("0", "1"))
    parts = split(bare, 0)
    scaled: list[Any] = [5.0] * rows
    filled: list[Any] = [5.0 if here else None for here in rng.random(rows) < 0.4]
    for row in (*parts.validation.tolist(), *parts.test.tolist()):
        scaled[row] = filled[row] = 5.0 + 100.0 * int(y[row] == 0)
    return {"scaled": scaled, "filled": filled, "y": y.tolist()}, parts


@pytest.mark.parametrize("column", ["scaled", "filled"])
def test_nothing_leaks_from_the_rows_that_judge(tmp_path: Path, column: str) -> None:
    columns, parts = planted()
    found = dataset(tmp_path, {column: columns[column], "y": columns["y"]})
    honest = PreparedData(found, split(found, 0))
    np.testing.assert_array_equal(honest.rows.train, parts.train)
    assert judged(honest.train.x, honest.train.y, honest.validation.x, honest.validation.y) == 0.5
    assert found.layout is not None
    leaky = pipeline.transform(pipeline.fit(found.layout, found.x, np.arange(len(found.y))), found.x.copy())
    rows = honest.rows
    assert judged(leaky[rows.train], honest.train.y, leaky[rows.validation], honest.validation.y) > 0.99


def judged(x: Array, y: Array, validation_x: Array, validation_y: Array) -> float:
    """The AUC of the first input's linear model that has no bias of its own."""
    model = LogisticRegression(fit_intercept=False).fit(x[:, :1], y.ravel())
    return float(roc_auc_score(validation_y.ravel(), model.decision_function(validation_x[:, :1])))


def test_every_fold_has_the_same_inputs_even_where_a_level_or_all_values_are_absent(tmp_path: Path) -> None:
    rare: list[Any] = [None] * 94 + [1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    city = ["a"] * 50 + ["b"] * 45 + ["c"] * 5
    found = dataset(tmp_path, {"rare": rare, "city": city, "y": list(range(100))})
    resampling = Resampling(kind="repeated_kfold", folds=10, repeats=3)
    for rows in folds(found, split(found, 0), resampling, 0):
        data = PreparedData(found, rows)
        for part in (data.train, data.validation, data.test()):
            assert part.x.shape[1:] == (5,)
            assert np.isfinite(part.x).all()
    # No training row has a value: the middle of nothing is 0.
    empty = PreparedData(found, replace(split(found, 0), train=np.arange(60)))
    np.testing.assert_array_equal(empty.train.x[:, 0], 0)


def test_many_columns_are_fitted_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=60).tolist() for i in range(20)} | {"y": [0, 1] * 30}
    found = dataset(tmp_path, columns)
    at_once = PreparedData(found, split(found, 0))
    assert len(at_once.blocks) == 1
    monkeypatch.setattr(pipeline, "_BLOCK", 100)
    in_blocks = PreparedData(found, split(found, 0))
    assert len(in_blocks.blocks) == 10  # of the 36 training rows
    np.testing.assert_allclose(in_blocks.train.x, at_once.train.x, rtol=1e-6)


def test_a_worker_prepares_the_uploaded_file_by_its_digest(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(text(mixed(200)))
    spec, source = uploaded(file)
    *found, last = prepare_folds(spec, 3, Resampling(kind="kfold", folds=4), source)
    assert len(found) == 4
    assert {part.input_shape for part in (*found, last)} == {spec.facts.shape}
    assert last.dataset.class_names == ("c0", "c1")
    with pytest.raises(DatasetError, match="the file of the dataset 'mine' is not at hand"):
        prepare_folds(spec, 3, Resampling())
    other = tmp_path / "other.csv"
    other.write_text(text(mixed(201)))
    with pytest.raises(DatasetError, match=r"is read as \(201, 14\) .* \(200, 14\) .* upload it again"):
        prepare_folds(spec, 3, Resampling(), lambda _digest: other)


def test_images_are_scaled_by_all_pixels_of_the_training_rows(tmp_path: Path) -> None:
    file = tmp_path / "images"
    with file.open("wb") as to:
        np.savez(to, x=np.random.default_rng(0).integers(0, 255, (60, 4, 4), np.uint8), y=np.arange(60) % 3)
    spec, source = uploaded(file, "npz")
    [data] = prepare_folds(spec, 0, Resampling(), source)
    assert data.input_shape == spec.facts.shape == (4, 4, 1)
    assert float(data.train.x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(data.train.x.std()) == pytest.approx(1, abs=1e-4)
