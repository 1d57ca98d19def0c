"""What a dataset's profile says, and the rows that are shown of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from studies.datasets.catalog import from_table
from studies.datasets.preview import preview
from studies.datasets.profile import DatasetProfile, profile
from studies.datasets.tables import read
from studies.errors import InvalidTableError
from studies.spec.table import TableOptions
from tests.studies.uploads import mixed, table, text


def test_a_profile_counts_what_stands_in_the_file(tmp_path: Path) -> None:
    columns = mixed(300)
    found = profile(table(tmp_path, columns))
    by_name = {column.name: column for column in found.columns}
    assert found.rows == 300
    kinds = {"age": "number", "income": "number", "city": "category", "member": "boolean", "since": "date"}
    assert {name: column.kind for name, column in by_name.items()} == {**kinds, "same": "constant", "y": "category"}
    for name, values in columns.items():
        there = [value for value in values if value is not None]
        assert (by_name[name].missing, by_name[name].distinct) == (300 - len(there), len(set(there)))
    assert found.facts.about == "'y' from 5 columns"  # without the constant
    ages = [value for value in columns["age"] if value is not None]
    assert by_name["age"].low == pytest.approx(min(ages))
    assert by_name["age"].mean == pytest.approx(np.mean(ages), rel=1e-6)
    assert by_name["age"].high == pytest.approx(max(ages))
    assert str(by_name["since"].low).startswith(min(value for value in columns["since"] if value is not None))
    assert {level.name: level.rows for level in by_name["city"].levels} == {
        name: columns["city"].count(name) for name in ("Rome", "Oslo", "Lima", "Bonn")
    }
    assert [(level.name, level.rows) for level in found.classes] == [("c0", 150), ("c1", 150)]


def test_the_facts_are_those_of_the_prepared_dataset(tmp_path: Path) -> None:
    whole = table(tmp_path, mixed(200, classes=3))
    facts, dataset = profile(whole).facts, from_table(whole)
    assert (facts.task, facts.rows, facts.classes) == ("multiclass", 200, 3)
    assert facts.shape == dataset.x.shape[1:] == (len(dataset.feature_names),)
    assert sum(column.inputs for column in profile(whole).columns) == facts.shape[0]


def test_a_profile_is_json(tmp_path: Path) -> None:
    columns = mixed(100) | {"nothing": [None] * 100}
    found = profile(table(tmp_path, columns, ignore=("income",)))
    text = found.model_dump_json()
    assert "NaN" not in text
    assert DatasetProfile.model_validate_json(text) == found
    assert found.columns[-1].name == "income"
    assert found.columns[-1].kind == "ignored"


def test_the_target_of_a_regression_has_a_histogram(tmp_path: Path) -> None:
    y = np.random.default_rng(0).normal(size=100).round(3).tolist()
    found = profile(table(tmp_path, {"a": y, "y": y}))
    assert found.histogram is not None
    assert sum(found.histogram.counts) == 100
    assert len(found.histogram.edges) == len(found.histogram.counts) + 1
    assert (found.task, found.classes, found.facts.classes) == ("regression", (), 0)


WARNED: dict[str, tuple[dict[str, list[Any]], str]] = {
    "constant": ({"a": [7] * 100}, "column 'a': is the same in every row, and is left out"),
    "nothing": ({"a": [None] * 100}, "column 'a': has no value in any row, and is left out"),
    "mostly missing": ({"a": [None] * 60 + list(range(40))}, "column 'a': has no value in 60 of 100 rows"),
    "identifiers": ({"a": [f"u{i}" for i in range(100)]}, "column 'a': has 100 values, none in 5 rows or more"),
    "many levels": ({"a": [f"u{i % 3}" for i in range(90)] + [f"v{i}" for i in range(10)]}, "the 3 most frequent are"),
    "numbers with a mark": ({"a": [*range(99), "none"]}, "'none' in row 101 (the header is row 1) counts as missing"),
    "levels alike": ({"a": ["u", "U", "v", "v"] * 25}, "column 'a': the levels 'U', 'u' differ only by letter case"),
    "labels alike": ({"y": ["u", "v", "u ", "v"] * 25}, "the classes 'u', 'u ' differ only by blanks or letter case"),
    "row numbers": ({"row": list(range(100))}, "column 'row': is the number of the row, and is left out"),
    "counted rows": ({"a": list(range(50, 150))}, "column 'a': counts through whole numbers"),
    "an identifier": ({"user_id": [7 * i for i in range(100)]}, "column 'user_id': is an identifier by its name"),
    "codes": ({"a": ["007", "008"] * 50}, "column 'a': whole numbers with zeros in front"),
    "thousands": ({"a": ["1 500", "2 500"] * 50}, "column 'a': numbers with blanks dividing thousands"),
    "either order": ({"a": ["01/02/2020", "03/04/2021"] * 50}, "column 'a': day and month cannot be told apart"),
    "the target": ({"a": ["u", "v"] * 50}, "column 'a': tells the target by itself"),
    "blurred": ({"a": [1e9 + i % 50 for i in range(100)]}, "32-bit numbers blur it"),
    "imbalance": ({"y": [0] * 94 + [1] * 6}, "class '1' has 6 of 100 rows"),
}


@pytest.mark.parametrize(("columns", "warning"), WARNED.values(), ids=WARNED)
def test_what_is_odd_is_warned_of(tmp_path: Path, columns: dict[str, list[Any]], warning: str) -> None:
    sound = {"b": [i % 7 for i in range(100)], "y": [i % 2 for i in range(100)]}
    found = profile(table(tmp_path, sound | columns))
    assert any(warning in text for text in found.warnings), found.warnings
    assert profile(table(tmp_path, sound)).warnings == ()


def test_a_constant_column_that_is_asked_for_as_a_number_is_kept_and_warned_of(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"a": [7] * 100, "b": [i % 7 for i in range(100)], "y": [i % 2 for i in range(100)]}
    found = profile(table(tmp_path, columns, columns={"a": "number"}))
    assert (found.facts.shape, found.facts.no_input, found.columns[0].inputs) == ((2,), "", 1)
    assert found.warnings == (
        "column 'a': is the same in every row, so it tells nothing; it is kept, for it was asked for as a number",
    )
    alone = table(tmp_path, {"a": columns["a"], "y": columns["y"]}, columns={"a": "number"})
    with pytest.raises(InvalidTableError, match="no column tells anything of the target: column 'a' is the same"):
        profile(alone)


def test_levels_that_come_behind_too_many_others_are_said_not_to_be_counted(tmp_path: Path) -> None:
    values = [f"u{i}" for i in range(100_000)] + ["late"] * 20
    found = profile(table(tmp_path, {"a": values, "b": [0.5, 1.5] * 50_010, "y": ["u", "v"] * 50_010}))
    assert any("levels that come later are not counted, and is left out" in text for text in found.warnings)


def test_the_first_rows_are_shown_as_they_are_written(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"a": ["1.50", None, "3"], "b": ["x", "true", "2026-01-01"], "y": ["1", "2", "3"]}
    file = tmp_path / "table"
    file.write_text(text(columns))
    found = preview(file, "csv", 2)
    assert found == {"columns": ["a", "b", "y"], "rows": [["1.50", "x", "1"], [None, "true", "2"]]}


def test_the_first_rows_of_a_parquet_file_and_of_arrays_are_json(tmp_path: Path) -> None:
    file = tmp_path / "table"
    day = pa.array([0, None], pa.timestamp("ms"))
    parquet.write_table(pa.table({"a": [1.5, float("nan")], "d": day, "y": [True, None]}), file)
    assert preview(file, "parquet")["rows"] == [[1.5, "1970-01-01 00:00:00", True], [None, None, None]]
    with file.open("wb") as to:
        np.savez(to, x=np.zeros((12, 3, 3)), y=np.arange(12))
    found = preview(file, "npz", 2)
    assert json.loads(json.dumps(found)) == found
    assert found["arrays"][0] == {"name": "x", "shape": [12, 3, 3], "dtype": "float64"}
    assert found["rows"] == [[0], [1]]


def test_images_are_profiled_by_their_pixels(tmp_path: Path) -> None:
    file = tmp_path / "images"
    with file.open("wb") as to:
        np.savez(to, x=np.arange(180, dtype=np.uint8).reshape(20, 3, 3), y=np.arange(20) % 2)
    found = profile(read(file, "npz", TableOptions(target="y")))
    assert found.facts.shape == (3, 3, 1)
    pixels = next(column for column in found.columns if column.kind == "images")
    assert (pixels.low, pixels.high, pixels.inputs) == (0, 179, 9)
