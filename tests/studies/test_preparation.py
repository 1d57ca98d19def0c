"""A model's preprocessing on its own: saved, loaded, and used on raw rows."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from skops.io import dump

from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData, prepare
from studies.errors import DatasetError, InvalidTableError
from studies.spec.dataset import BuiltinDataset
from tests.studies.uploads import Columns, mixed, prepared, text


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return prepared(tmp_path_factory.mktemp("table"), mixed(300, classes=3))


@pytest.fixture(scope="module")
def loaded(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Preparation:
    file = tmp_path_factory.mktemp("saved") / "preprocessing.skops"
    Preparation.of(data).save(file)
    return Preparation.load(file)


def rows_of(rows: Any) -> dict[str, list[Any]]:
    return {name: [values[row] for row in rows] for name, values in mixed(300, classes=3).items()}


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_raw_rows_become_the_inputs_they_were_in_training(data: PreparedData, loaded: Preparation, part: str) -> None:
    rows = getattr(data.rows, part)
    inputs = {"train": data.train, "validation": data.validation, "test": data.test()}[part].x
    raw = rows_of(rows)
    # As JSON has them: booleans are booleans, dates are text.
    raw["member"] = [value == "true" for value in raw["member"]]
    np.testing.assert_array_equal(loaded.transform(raw), inputs)
    assert loaded.prepare(raw).x.dtype == np.float32


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_file_of_raw_rows_may_lack_the_target_and_have_more_columns(
    data: PreparedData, loaded: Preparation, tmp_path: Path, file_format: Any
) -> None:
    raw = rows_of(data.rows.test)
    del raw["y"], raw["same"]
    raw = {"more": list(range(len(data.rows.test))), **dict(reversed(raw.items()))}
    file = tmp_path / "rows"
    if file_format == "parquet":
        parquet.write_table(pa.table(raw), file)
    else:
        file.write_text(text(raw))
    np.testing.assert_array_equal(loaded.read(file, file_format), data.test().x)


ONE: dict[str, list[Any]] = {
    "age": [50.0], "income": [3000.0], "city": ["Rome"], "member": [True], "since": ["2024-05-06"]
}  # fmt: skip


def test_what_training_never_saw_is_told_and_equals_no_known_value(data: PreparedData, loaded: Preparation) -> None:
    rows = loaded.prepare(ONE | {"city": ["Paris"], "income": [None], "member": [None]})
    assert [one.text for one in rows.unfamiliar] == [
        "column 'income' has no value in 1 row (row 1), and had one in every row of training",
        "column 'city' has a value in 1 row (row 1) that training never saw: 'Paris'",
        "column 'member' has no value in 1 row (row 1), and had one in every row of training",
    ]
    means = dict(zip(loaded.feature_names, data.train.x.mean(axis=0), strict=True))
    found = dict(zip(loaded.feature_names, rows.x[0], strict=True))
    assert found["city (missing)"] == 0
    for name in ("income", "member", *(f"city={city}" for city in ("Rome", "Oslo", "Lima", "Bonn"))):
        assert found[name] == pytest.approx(means[name], abs=1e-6)
    with pytest.warns(UserWarning, match="training never saw: 'Paris'"):
        loaded.transform(ONE | {"city": ["Paris"]})


def test_one_of_two_levels_is_not_what_the_other_is_not(tmp_path: Path) -> None:
    data = prepared(tmp_path, {"sex": ["female", "male"] * 50, "y": [0, 0, 1, 1] * 25})
    preparation, share = Preparation.of(data), data.train.x[:, 0].mean()
    assert 0.3 < share < 0.7
    assert preparation.feature_names == ("sex=male",)
    rows = preparation.prepare({"sex": ["female", "male", None, "NA", "Female", "female ", "unknown"]})
    np.testing.assert_allclose(rows.x[:, 0], [0, 1, share, share, 0, 0, share], rtol=1e-6)
    told = [(one.what, one.count, one.rows, one.values) for one in rows.unfamiliar]
    assert told == [("unknown", 1, (7,), ("unknown",)), ("missing", 2, (3, 4), ())]


def test_a_level_it_does_not_know_is_other_where_there_is_such_an_input(tmp_path: Path) -> None:
    city = ["a", "b"] * 45 + [f"r{i}" for i in range(10)]
    preparation = Preparation.of(prepared(tmp_path, {"city": city, "y": [0, 1] * 50}))
    assert preparation.feature_names == ("city=a", "city=b", "city=(other)")
    rows = preparation.prepare({"city": ["Paris", "a", "r3"]})
    assert rows.x.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert [one.values for one in rows.unfamiliar] == [("Paris",)]


def test_a_level_is_the_same_however_a_file_writes_it(tmp_path: Path) -> None:
    columns: Columns = {"code": ["7", "8"] * 50, "flag": ["True", "maybe"] * 50, "y": [0, 0, 1, 1] * 25}
    preparation = Preparation.of(prepared(tmp_path, columns, columns={"code": {"kind": "category"}}))
    as_text = preparation.transform({"code": ["7", "8"], "flag": ["True", "True"]})
    for codes in ([7, 8], [7.0, 8.0], ["7.0", " 8"]):
        for flag in (True, "TRUE"):
            np.testing.assert_array_equal(preparation.transform({"code": codes, "flag": [flag] * 2}), as_text)


def test_new_rows_are_read_as_the_column_was_where_that_fits_and_never_guessed_at(tmp_path: Path) -> None:
    days = [f"{1 + i % 28:02}/{1 + i % 12:02}/2024" for i in range(100)]
    columns: Columns = {
        "when": days,
        "price": [f"{1000 + 7 * i:,} €".replace(",", ".") for i in range(100)],
        "y": [0, 1] * 50,
    }
    preparation = Preparation.of(prepared(tmp_path, columns, columns={"price": {"thousands": "."}}))
    expected = preparation.transform({"when": ["03/02/2024"], "price": ["1.500 €"]})
    for when, price in (("2024-02-03", 1500), (dt.date(2024, 2, 3), "1500")):
        np.testing.assert_array_equal(preparation.transform({"when": [when], "price": [price]}), expected)
    for when in ("02-03-2024", "13/13/2024"):  # either order, or none
        with pytest.raises(InvalidTableError, match=r"column 'when': row 1 holds '.*', not a date as %d/%m/%Y"):
            preparation.transform({"when": [when], "price": [1500]})


def test_columns_of_the_same_name_are_refused(loaded: Preparation, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("age,income,city,member,since,age\n1,2,Rome,true,2024-01-01,3\n")
    with pytest.raises(InvalidTableError, match="columns 1 and 6 have the same name 'age'"):
        loaded.read(file, "csv")


def test_a_missing_value_is_filled_where_such_were_missing_in_the_file(data: PreparedData, loaded: Preparation) -> None:
    found = loaded.prepare(ONE | {"age": [None], "city": [None], "since": [None]}).x[0]
    names = list(loaded.feature_names)
    assert [found[names.index(f"{name} (missing)")] for name in ("age", "city", "since")] == [1, 1, 1]
    ages = data.dataset.x[data.rows.train, 0]
    filled = np.where(np.isnan(ages), np.nanmedian(ages), ages)
    assert found[0] == pytest.approx((np.nanmedian(ages) - filled.mean()) / filled.std(), abs=1e-5)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a column is missing": ({"age": ...}, r"column 'age' is missing; there are 'income', "),
    "no rows": ({name: [] for name in ONE}, r"there is nothing to predict"),
    "text for a number": ({"age": ["old"]}, r"column 'age': row 1 holds 'old', not a number"),
    "text for a date": ({"since": ["06/05/2024"]}, r"column 'since': row 1 holds '06/05/2024', not a date"),
    "text for a boolean": ({"member": ["maybe"]}, r"column 'member': row 1 holds 'maybe', not true or false"),
    "a number for a boolean": ({"member": [7]}, r"column 'member'"),
    "infinite": ({"income": [float("inf")]}, r"column 'income': row 1 is infinite"),
    "objects": ({"income": [object()]}, r"column 'income': its values are not of one kind"),
    "lists": ({"income": [[1]]}, r"column 'income'"),
    "lengths": ({"income": [1.0, 2.0]}, r"the columns are of different lengths: \[1, 2\]"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_raw_rows_that_are_wrong_are_refused(loaded: Preparation, change: dict[str, Any], message: str) -> None:
    raw = {name: values for name, values in (ONE | change).items() if values is not ...}
    with pytest.raises(InvalidTableError, match=message):
        loaded.transform(raw)


def test_a_file_of_raw_rows_that_is_wrong_names_the_row(loaded: Preparation, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text(text({name: [*values, *values] for name, values in ONE.items()}).replace("50.0", "x", 2)[:-1])
    with pytest.raises(InvalidTableError, match=r"column 'age': row 2 \(the header is row 1\) holds 'x'"):
        loaded.read(file, "csv")
    file.write_text("age\n1\n")
    with pytest.raises(InvalidTableError, match="column 'income' is missing; there are 'age'"):
        loaded.read(file, "csv")


def test_outputs_are_classes_or_numbers_in_the_targets_own_unit(loaded: Preparation, tmp_path: Path) -> None:
    assert loaded.decode(np.array([[0.1, 0.8, 0.1], [0.5, 0.2, 0.3]])).tolist() == ["c1", "c0"]
    binary = Preparation.of(prepared(tmp_path, mixed(100)))
    assert binary.decode(np.array([[0.2], [0.7]])).tolist() == ["c0", "c1"]
    y = np.random.default_rng(0).normal(100, 20, 200).round(2).tolist()
    data = prepared(tmp_path, {"a": list(range(200)), "y": y})
    np.testing.assert_allclose(
        Preparation.of(data).decode(data.validation.y), np.array(y)[data.rows.validation], rtol=1e-5
    )


def test_a_target_far_from_zero_is_decoded_to_the_files_precision(tmp_path: Path) -> None:
    northing = [5512345 + 0.03 * i for i in range(60)]
    data = prepared(tmp_path, {"x": [i * i for i in range(60)], "y": [f"{value:.2f}" for value in northing]})
    Preparation.of(data).save(tmp_path / "saved.skops")
    decoded = Preparation.load(tmp_path / "saved.skops").decode(data.validation.y)
    np.testing.assert_allclose(decoded, np.array(northing)[data.rows.validation], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["iris", "digits_images", "diabetes"])
def test_built_in_datasets_have_a_preprocessing_too(name: Any, tmp_path: Path) -> None:
    data = prepare(BuiltinDataset(kind="builtin", name=name), 0)
    Preparation.of(data).save(tmp_path / "saved.skops")
    found = Preparation.load(tmp_path / "saved.skops")
    np.testing.assert_array_equal(found.transform(data.dataset.x[data.rows.test]), data.test().x)
    with pytest.raises(InvalidTableError, match="as one array"):
        found.transform({"a": [1]})
    if name != "digits_images":
        with pytest.raises(InvalidTableError, match="as one array"):
            found.transform(np.zeros((1, 3)))


class Foreign:
    """What a file must not bring with it."""


def test_a_file_that_holds_anything_else_is_refused(tmp_path: Path, loaded: Preparation) -> None:
    file = tmp_path / "saved.skops"
    dump({"described": Foreign()}, file)
    with pytest.raises(DatasetError, match=r"saved\.skops holds no preprocessing: Untrusted types"):
        Preparation.load(file)
    for content in (b"", b"not a file"):
        file.write_bytes(content)
        with pytest.raises(DatasetError, match="holds no preprocessing"):
            Preparation.load(file)
    dump({"a": 1}, file)
    with pytest.raises(DatasetError, match="holds no preprocessing"):
        Preparation.load(file)
    loaded.save(file)
    assert zipfile.is_zipfile(file)
    assert not any(name.endswith((".pkl", ".pickle")) for name in zipfile.ZipFile(file).namelist())
