"""Users' files: what is read of them, and what is said of those that are wrong."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet
from pydantic import ValidationError

from studies.datasets import arrays, delimited
from studies.datasets.profile import profile
from studies.datasets.reading import MISSING
from studies.datasets.table import Column, Table
from studies.datasets.tables import read
from studies.datasets.target import derive_target
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat, TableOptions

Write = Callable[..., Path]
INPUTS = Path(__file__).parent / "data" / "inputs"


def text_of(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def columns(table: Table) -> dict[str, Column]:
    return {column.name: column for column in table.features}


def table_of(file: Path, text: str | bytes, file_format: TableFormat = "csv", **options: Any) -> Table:
    return read(text_of(file, text), file_format, TableOptions(**{"target": "y", **options}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table"


def test_each_column_is_of_the_kind_its_values_are(file: Path) -> None:
    text = (
        "number,flag,city,day,note,y\r\n"
        '1.5,true,Rome,2026-01-31,"a, b",1\r\n'
        ' 2 ,FALSE,,2026-02-01 06:00,"line\nbreak",2\r\n'
        "NA,,Oslo,,x,3\r\n"
    )
    found = columns(table_of(file, text))
    assert [column.kind for column in found.values()] == ["number", "boolean", "category", "date", "category"]
    np.testing.assert_array_equal(found["number"].values, np.array([1.5, 2, np.nan], np.float32))
    assert found["flag"].values.tolist() == [1, 0, -1]
    assert [found["city"].levels[code] if code >= 0 else None for code in found["city"].values] == [
        "Rome",
        None,
        "Oslo",
    ]
    assert found["day"].values.tolist()[1].isoformat() == "2026-02-01T06:00:00"
    assert found["note"].levels == ("a, b", "line\nbreak", "x")
    assert found["number"].values.dtype == np.float32


@pytest.mark.parametrize("missing", MISSING)
def test_what_stands_for_a_missing_value_is_missing(file: Path, missing: str) -> None:
    found = columns(table_of(file, f"a,b,y\n1,u,1\n{missing},{missing},2\n"))
    assert [column.missing.tolist() for column in found.values()] == [[False, True]] * 2


def test_a_column_that_turns_out_to_be_text_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 200)
    rows = [f"{i},{i % 2 == 0},{i},{i}" for i in range(100)] + ["oops,7,,100", "a,,,1", "b,,,1"]
    found = columns(table_of(file, "\n".join(["a,b,c,y", *rows])))
    assert (found["a"].kind, found["a"].distinct) == ("category", 103)
    assert (found["b"].kind, found["b"].levels) == ("category", ("False", "True", "7"))
    assert found["c"].kind == "number"


def test_one_text_among_numbers_is_missing_and_told_wherever_a_batch_ends(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 200)
    [column] = table_of(file, "\n".join(["a,y", *(f"{i},{i}" for i in range(100)), "oops,100"])).features
    assert (column.kind, np.flatnonzero(column.missing).tolist()) == ("number", [100])
    told = [evidence for evidence in column.evidence if evidence.warns]
    assert [(one.rows, one.values) for one in told] == [((102,), ("oops",))]
    assert told[0].why.startswith("row 102 (the header is row 1) holds 'oops' where all else is a number")


def test_a_column_of_nothing_and_one_that_begins_with_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 64)
    rows = [f",{'' if i < 90 else i},{'' if i < 90 else 'x'},{i}" for i in range(100)]
    found = columns(table_of(file, "\n".join(["a,b,c,y", *rows])))
    assert found["a"].missing.all()
    assert found["b"].values[90:].tolist() == list(range(90, 100))
    assert found["b"].missing.sum() == found["c"].missing.sum() == 90


def test_more_levels_than_are_kept_become_one_behind_them(file: Path) -> None:
    rows = [f"v{i},{i}" for i in range(500)] + ["v7,1"]
    [column] = table_of(file, "\n".join(["a,y", *rows])).features
    assert (column.distinct, len(column.levels), column.levels[0]) == (500, 200, "v7")
    assert column.values.max() == 200


def test_tabs_a_byte_order_mark_and_columns_without_a_name(file: Path) -> None:
    table = table_of(file, b"\xef\xbb\xbf\ta b\ty\n1\t2\t3\n", "tsv")
    assert list(columns(table)) == ["column 1", "a b"]


DELIMITERS: dict[str, tuple[TableFormat, str, list[str], str]] = {
    "commas": ("csv", "a,b,y\n1,2,3\n", ["a", "b"], ""),
    "semicolons": ("csv", "a;b;y\n1;2;3\n", ["a", "b"], "semicolons"),
    "semicolons, commas in a name": ("csv", "a, b;c;y\n1;2;3\n", ["a, b", "c"], "semicolons"),
    "semicolons, commas in a text": ("csv", "a;b;y\nu, v;2;3\n", ["a", "b"], "semicolons"),
    "commas, bars in a name": ("csv", "a|b|c,y\n1,2\n", ["a|b|c"], ""),
    "commas, semicolons in quotes": ("csv", '"a;b",y\n1,2\n', ["a;b"], ""),
    "tabs in a csv": ("csv", "a\tb\ty\n1\t2\t3\n", ["a", "b"], "tabs"),
    "tabs in a tsv, commas in a name": ("tsv", "a,b\ty\n1,5\t2\n", ["a,b"], ""),
    "commas in a tsv": ("tsv", "a,b,y\n1,2,3\n", ["a", "b"], "commas"),
}


@pytest.mark.parametrize(("kind", "text", "found", "words"), DELIMITERS.values(), ids=DELIMITERS)
def test_the_delimiter_is_seen_from_the_first_rows_and_said(
    file: Path, kind: TableFormat, text: str, found: list[str], words: str
) -> None:
    table = table_of(file, text, kind)
    assert list(columns(table)) == found
    assert table.notes == ((f"columns are divided by {words}, as row 1 is",) if words else ())


def test_excels_line_above_the_header_gives_the_delimiter(file: Path) -> None:
    table = read(INPUTS / "excel_sep_line.csv", "csv", TableOptions(target="y"))
    assert (list(columns(table)), table.rows) == (["x"], 30)
    assert "as Excel's line above the header says; the header is counted as row 1" in table.notes[0]
    # A delimiter that is never seen from the rows alone.
    assert list(columns(table_of(file, "\ufeffSEP=^\r\na,b^y\r\n1,2^3\r\n"))) == ["a,b"]


def test_a_comma_is_a_decimal_point_between_semicolons_alone(file: Path) -> None:
    text = "a;b;c;y\n1,5; -2,25e3 ;1,2,3;1\n7;;x,y;2\n"
    found = columns(table_of(file, text))
    np.testing.assert_array_equal(found["a"].values, np.array([1.5, 7], np.float32))
    np.testing.assert_array_equal(found["b"].values, np.array([-2250, np.nan], np.float32))
    assert set(found["c"].levels) == {"1,2,3", "x,y"}
    [price] = table_of(file, 'price,y\n"1,500",1\n"2,500",2\n').features
    assert price.values.tolist() == [1500, 2500]


def test_columns_with_a_role_are_no_features(file: Path) -> None:
    text = "id,w,g,t,x,y\n1,0.5,a,2026-01-01,1,0\n2,1,b,2026-01-02,2,1\n3,1,a,2026-01-03,2,1\n"
    table = table_of(file, text, ignore=("id",), weight="w", group="g", time="t")
    assert list(columns(table)) == ["x"]
    assert table.weight is not None
    assert table.group is not None
    assert table.time is not None
    assert table.weight.values.tolist() == [0.5, 1, 1]
    assert table.group.values.tolist() == [0, 1, 0]
    assert table.time.kind == "date"


LONG = "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30))
BAD: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "wrong delimiter": ("a:b:y\n1:2:3\n", {}, r"no column 'y'; it has 'a:b:y'; columns are divided by commas, semic"),
    "two delimiters": ("a;b;y\n1,2,3\n", {}, r"row 2 .* has 1 fields, and the header has 3, divided by semicolons"),
    "too few fields": ("a,b,y\n1,2,3\n\n4,5\n", {}, r"row 3 .* has 2 fields, and the header has 3"),
    "too many fields": ("a,b,y\n1,2,3\n4,5,6,7\n", {}, r"row 3 .* has 4 fields, and the header has 3"),
    "an open quote": ('a,b,y\n1,"2,3\n4,5,6\n', {}, r"row 2 .* has 2 fields"),
    "no such target": (
        "price,b\n1,2\n",
        {"target": "prices"},
        r"target: the file has no column 'prices'; did you mean 'price'",
    ),
    "no such weight": ("a,y\n1,2\n", {"weight": "w"}, r"weight: the file has no column 'w'; it has 'a', 'y'"),
    "no such ignored": ("a,y\n1,2\n", {"ignore": ("w",)}, r"ignore: the file has no column 'w'"),
    "missing target": ("a,y\n1,2\n2,\n3,NA\n", {}, r"target: column 'y' has no value in row 3 .* and in 1 other rows"),
    "infinite": ("a,y\n1,2\ninf,2\n", {}, r"column 'a': row 3 .* is infinite"),
    "too large": ("a,y\n1,2\n-1e300,2\n", {}, r"column 'a': row 3 .* too large"),
    "infinite target": ("a,y\n1,2\n2,-inf\n", {}, r"column 'y': row 3 .* is infinite"),
    "duplicate names": ("a,b,a,y\n1,2,3,4\n", {}, r"columns 1 and 3 have the same name 'a'"),
    "two encodings": (
        b"a,y\nGr\xc3\xbcn,1\nBlau\xfc,2\n",
        {},
        r"encoding: line 3 is not UTF-8 text \(byte 0xfc\), and others are",
    ),
    "no encoding": (
        b"a,y\n" + bytes(range(256)),
        {},
        r"encoding: line 3 is not UTF-8 .*no other encoding is sure; name",
    ),
    "another encoding": (
        b"a,y\nGr\xfcn,1\n",
        {"encoding": "utf-8"},
        r"encoding: line 2 is not utf-8 text \(byte 0xfc\); name the file's own",
    ),
    "no mark": (
        b"a,y\nGr\xfcn,1\n",
        {"encoding": "utf-16"},
        r"encoding: line 1 is not utf-16 text \(it lacks the byte",
    ),
    "half a letter": (
        b"a,y\n1,\xc3",
        {"encoding": "utf-8"},
        r"line 2 is not utf-8 text \(the file ends within a letter",
    ),
    "empty": ("", {}, r"the file is empty"),
    "blank": ("\n \n", {}, r"the file is empty"),
    "no header": ("\na,y\n1,2\n", {}, r"row 1 is empty"),
    "only a header": ("a,y\n", {}, r"no rows beneath its header"),
    "only a header, unended": ("a,y", {}, r"no rows beneath its header"),
    "only a target": ("y\n1\n2\n", {}, r"no column to predict the target from"),
    "gzip": (b"\x1f\x8b\x08\x00", {}, r"the file is not whole gzip data: .*truncated"),
    "a spreadsheet": (b"PK\x03\x04....", {}, r"the file is a ZIP archive, as .xlsx and .npz are, not CSV text"),
    "gzip in gzip": (gzip.compress(gzip.compress(b"a,y")), {}, r"the file is gzip data within gzip data, not CSV"),
    "ragged below Excel's line": ("sep=;\na;y\n1;2\n3\n", {}, r"row 3 \(the header is row 1\) has 1 fields"),
    "negative weight": ("w,a,y\n1,1,1\n-1,1,1\n", {"weight": "w"}, r"weight: column 'w' is negative in row 3"),
    "text as weight": ("w,a,y\nx,1,1\ny,1,1\n", {"weight": "w"}, r"weight: column 'w' must hold numbers"),
    "no weight": ("w,a,y\n0,1,1\n0,1,1\n", {"weight": "w"}, r"weight: column 'w' is 0 in every row"),
    "missing group": ("g,a,y\nx,1,1\n,1,1\n", {"group": "g"}, r"group: column 'g' has no value in row 3"),
    "text as time": (
        "t,a,y\n31.01.2026,1,1\nx,1,1\n",
        {"time": "t"},
        r"time: column 't' must hold numbers or dates, and holds texts",
    ),
}


@pytest.mark.parametrize(("text", "options", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_with_its_row_or_column(
    file: Path, text: str | bytes, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidTableError, match=message):
        table_of(file, text, **options)


def test_a_ragged_row_behind_the_first_block_is_named_as_well(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_BLOCK", 256)
    with pytest.raises(InvalidTableError, match=r"row 502 .* has 1 fields, and the header has 2") as found:
        table_of(file, "a,y\n" + "1,2\n" * 500 + "3\n")
    assert found.value.row == 502


BAD_TARGETS: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "one class": (["u"] * 12, {}, r"has one class, 'u', in every row"),
    "one number": (["3"] * 12, {}, r"has one class, '3', in every row"),
    "a class of one row": (
        ["u"] * 9 + ["w"] + ["v"] * 9,
        {},
        r"one row of the class 'w', row 11 \(the",
    ),
    "a class of three": (["u"] * 9 + ["w"] * 3, {}, r"3 rows of the class 'w', the first row 11"),
    "few rows": (["1", "2"], {}, r"the file has 2 rows; at least 10"),
    "a binary of three": (list("uvw") * 5, {"task": "binary"}, r"has 3 classes .* use multiclass"),
    "a regression of text": (["1"] * 9 + ["u", "2"], {"task": "regression"}, r"holds text, .*; see row 11"),
    "a regression of one value": (["1.5"] * 12, {"task": "regression"}, r"has one value, 1.5, in every row"),
    "dates": (["2026-01-01", "2026-01-02"] * 6, {}, r"holds dates"),
    "identifiers": ([f"u{i}" for i in range(1200)], {}, r"has 1200 classes; at most 1000"),
}


@pytest.mark.parametrize(("values", "options", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_a_target_that_cannot_be_predicted_is_refused(
    file: Path, values: list[str], options: dict[str, Any], message: str
) -> None:
    rows = [f"{i},{value}" for i, value in enumerate(values)]
    with pytest.raises(InvalidTableError, match=message) as found:
        derive_target(table_of(file, "\n".join(["a,y", *rows]), **options))
    assert message.startswith("the file") or found.value.column == "y"


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["0", "1"], "binary", ("0", "1")),
        (["b", "a"], "binary", ("a", "b")),
        (["true", "false"], "binary", ("false", "true")),
        (["0.5", "1.5"], "binary", ("0.5", "1.5")),
        (["10", "9", "2"], "multiclass", ("2", "9", "10")),
        ([f"{i}" for i in range(21)], "regression", ()),
        (["0.5", "1", "2"], "regression", ()),
        (["0", "1", "0.0", "1.0"], "binary", ("0", "1")),
        (["3.1", "3.10", "3.2"], "multiclass", ("3.1", "3.10", "3.2")),
    ],
)
def test_the_task_is_seen_from_the_target(file: Path, values: list[str], task: str, classes: tuple[str, ...]) -> None:
    rows = [f"{i},{value}" for i, value in enumerate(values * 6)]
    found = derive_target(table_of(file, "\n".join(["a,y", *rows])))
    assert (found.task, found.class_names) == (task, classes)
    if classes:
        assert [classes[label] for label in found.y[: len(values)]] == [value.removesuffix(".0") for value in values]


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="group: 'a' is the target already"):
        TableOptions(target="a", group="a")
    with pytest.raises(ValidationError, match="ignore: 'a' is the target"):
        TableOptions(target="a", ignore=("a",))


def written(file: Path, **values: Any) -> Path:
    parquet.write_table(pa.table(values), file)
    return file


def test_a_parquet_file_is_read_by_its_types(file: Path) -> None:
    values = {
        "whole": [1, None, 2**40],
        "city": pa.array(["a", None, "a"]).dictionary_encode(),
        "digits": ["1", "2", "3"],
        "code": ["01", "02", "03"],
        "flag": [True, False, None],
        "day": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
        "y": [0.5, 1.5, 2.5],
    }
    found = columns(read(written(file, **values), "parquet", TableOptions(target="y")))
    assert [c.kind for c in found.values()] == ["number", "category", "number", "category", "boolean", "date"]
    assert found["whole"].values[2] == np.float32(2**40)


def test_a_truncated_parquet_file_is_refused(file: Path) -> None:
    whole = written(file, a=list(range(1000)), y=list(range(1000))).read_bytes()
    for part in (whole[:-100], whole[: len(whole) // 2], whole[:4], whole[:3]):
        file.write_bytes(part)
        with pytest.raises(InvalidTableError, match=r"not a whole Parquet file.*truncated"):
            read(file, "parquet", TableOptions(target="y"))


def test_a_parquet_file_with_a_damaged_page_is_refused(file: Path) -> None:
    whole = bytearray(written(file, a=list(range(1000)), y=list(range(1000))).read_bytes())
    whole[4:200] = b"\xff" * 196
    file.write_bytes(whole)
    with pytest.raises(InvalidTableError, match="not a whole Parquet file"):
        read(file, "parquet", TableOptions(target="y"))


def test_a_parquet_column_that_is_no_column_is_named_unless_it_is_ignored(file: Path) -> None:
    written(file, a=[1, 2], many=[[1], [2]], y=[1, 2])
    with pytest.raises(InvalidTableError, match="column 'many' holds list"):
        read(file, "parquet", TableOptions(target="y"))
    assert read(file, "parquet", TableOptions(target="y", ignore=("many",))).rows == 2


def test_a_parquet_file_that_declares_too_much_is_refused_before_it_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 3_000_000  # of one value each: a few kilobytes
    written(file, a=np.zeros(rows, np.int8), y=np.zeros(rows, np.int8))
    assert file.stat().st_size < 100_000
    monkeypatch.setattr("studies.datasets.parquet.ParquetFile.batches", None)
    with pytest.raises(InvalidTableError, match="declares 3000000 rows of 2 columns"):
        read(file, "parquet", TableOptions(target="y"), max_bytes=10_000_000)


def test_a_text_file_that_is_too_large_is_refused(file: Path) -> None:
    with pytest.raises(InvalidTableError, match=r"more than \d+ rows of 2 columns"):
        read(text_of(file, LONG), "csv", TableOptions(target="y"), max_bytes=100)


def saved(file: Path, **arrays: Any) -> Path:
    with file.open("wb") as to:
        np.savez_compressed(to, **arrays)
    return file


def test_the_columns_of_arrays(file: Path) -> None:
    saved(file, x=np.arange(8.0).reshape(4, 2), age=[1, 2, 3, 4], label=["a", "b", "a", "b"], y=[1.5, 2.5, 3.5, 4])
    table = read(file, "npz", TableOptions(target="y"))
    found = columns(table)
    assert list(found) == ["x0", "x1", "age", "label"]
    assert found["x1"].values.tolist() == [1, 3, 5, 7]
    assert found["label"].kind == "category"
    assert list(arrays.read_declared(file, 1 << 30)) == ["x", "age", "label", "y"]


@pytest.mark.parametrize("shape", [(12, 5, 4), (12, 5, 4, 3)])
def test_images_keep_their_shape(file: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    table = read(saved(file, x=images, y=np.arange(12) % 2), "npz", TableOptions(target="y"))
    assert table.images is not None
    assert (table.images.shape, table.images.dtype.name) == ((12, 5, 4, shape[3] if len(shape) > 3 else 1), "float32")
    assert table.features == ()


@pytest.mark.parametrize("name", ["labels_n1", "bigendian", "npz_2d_table"])
def test_labels_as_a_column_and_numbers_of_another_byte_order_are_read_as_any_other(file: Path, name: str) -> None:
    table = read(INPUTS / f"{name}.npz", "npz", TableOptions(target="y"))
    with np.load(INPUTS / f"{name}.npz") as arrays:
        x, y = arrays["x"].astype("<f4"), arrays["y"].ravel().astype("<i8")
    plain = read(saved(file, x=x, y=y), "npz", TableOptions(target="y"))
    assert profile(table) == profile(plain)
    assert table.target.values.tolist() == y.tolist()
    for column, same in zip(table.features, plain.features, strict=True):
        np.testing.assert_array_equal(column.values, same.values)


@pytest.mark.parametrize(
    ("shape", "found", "said"),
    [
        ((12, 3, 8, 8), (8, 8, 3), "has its channels first; they are put last"),
        ((12, 1, 8, 8), (8, 8, 1), "has its channels first"),
        ((12, 8, 8, 3), (8, 8, 3), ""),
        ((12, 3, 8, 3), (3, 8, 3), ""),
        ((12, 8, 8, 16), (8, 8, 16), ""),
        ((12, 6, 8, 8), (6, 8, 8), "is read as height × width × channels = 6 × 8 × 8; transpose it"),
    ],
)
def test_channels_that_come_first_are_put_last_and_that_is_said(
    file: Path, shape: tuple[int, ...], found: tuple[int, ...], said: str
) -> None:
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    table = read(saved(file, x=images, y=np.arange(12) % 2), "npz", TableOptions(target="y"))
    assert table.images is not None
    expected = images if found == shape[1:] else images.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(table.images, expected)
    assert said in "".join(table.notes)
    assert bool(table.notes) == bool(said)


BAD_ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "objects": ({"x": np.array([{}, []], object), "y": [0, 1]}, r"array 'x' is of Python objects"),
    "complex": ({"x": np.zeros(2, complex), "y": [0, 1]}, r"array 'x' is of complex128"),
    "lengths": ({"x": np.zeros((3, 2)), "y": [0, 1]}, r"array 'x' has 3 rows, and the target 'y' has 2"),
    "a target of two dimensions": (
        {"x": np.zeros((2, 2)), "y": np.zeros((2, 3))},
        r"target: array 'y' of shape \(2, 3\)",
    ),
    "a pixel": ({"x": np.full((2, 2, 2), np.nan), "y": [0, 1]}, r"array 'x': row 1 has a pixel that is missing"),
    "infinite": ({"x": np.array([1, np.inf]), "y": [0, 1]}, r"column 'x': row 2 is infinite"),
    "no rows": ({"x": np.zeros((0, 2)), "y": []}, r"has no rows and columns"),
    "a number": ({"x": np.zeros(()), "y": [0, 1]}, r"array 'x' of shape \(\) has no rows"),
    "the same name": ({"x": np.zeros((2, 2)), "x1": [0, 1], "y": [0, 1]}, r"have the same name 'x1'"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_that_are_no_table_are_refused(file: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTableError, match=message):
        read(saved(file, **arrays), "npz", TableOptions(target="y"))


def test_a_zip_bomb_is_refused_by_what_it_declares(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(file, x=np.zeros((1000, 1000)), y=np.zeros(1000))
    assert file.stat().st_size < 20_000
    monkeypatch.setattr("studies.datasets.arrays.load", None)
    with pytest.raises(InvalidTableError, match=r"declares 0.0 GB of arrays; at most"):
        read(file, "npz", TableOptions(target="y"), max_bytes=7_000_000)
    saved(file, x=np.zeros((1000, 1000), bool), y=np.zeros(1000))
    with pytest.raises(InvalidTableError, match=r"GB of 32-bit numbers; at most"):
        read(file, "npz", TableOptions(target="y"), max_bytes=3_000_000)


def test_an_archive_whose_members_lie_about_their_size_is_refused(file: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    with pytest.raises(InvalidTableError, match="is not as long as its shape"):
        read(file, "npz", TableOptions(target="y"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"a,y\n1,2\n"])
def test_what_is_no_archive_is_refused(file: Path, content: bytes) -> None:
    with pytest.raises(InvalidTableError, match="npz archive"):
        read(text_of(file, content), "npz", TableOptions(target="y"))


def test_a_truncated_archive_is_refused(file: Path) -> None:
    whole = saved(file, x=np.arange(1000.0), y=np.arange(1000)).read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidTableError, match=r"not a whole \.npz archive"):
        read(file, "npz", TableOptions(target="y"))


def test_an_array_that_is_damaged_is_refused(file: Path) -> None:
    whole = bytearray(saved(file, x=np.random.default_rng(0).random(1000), y=np.arange(1000)).read_bytes())
    whole[2000] ^= 0xFF
    file.write_bytes(whole)
    with pytest.raises(InvalidTableError, match=r"not a whole \.npz archive|cannot be read"):
        read(file, "npz", TableOptions(target="y"))


CELLS = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=5),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(CELLS, st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_what_arrow_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, float]]
) -> None:
    file = tmp_path_factory.mktemp("table") / "table"
    texts, numbers = zip(*rows, strict=True)
    # A letter before it makes any text a level, and no text a missing value.
    texts = tuple(None if text is None else f"t{text}" for text in texts)
    trimmed = tuple(None if text is None else text.strip() for text in texts)
    whole = pa.table({"a": pa.array(texts, pa.string()), "y": pa.array(numbers)})
    csv.write_csv(whole, file)
    found = read(file, "csv", TableOptions(target="y"))
    parquet.write_table(whole, file)
    for table in (found, read(file, "parquet", TableOptions(target="y"))):
        [column] = table.features
        if any(text is not None for text in texts):
            assert tuple(column.levels[code] if code >= 0 else None for code in column.values) == trimmed
        np.testing.assert_allclose(table.target.values, numbers, rtol=1e-12)
