"""The same table from every format is the same table; encodings, gzip data, workbooks, JSON lines, Feather."""

from __future__ import annotations

import csv
import gzip
import json
import struct
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import feather

from studies.datasets import json_lines
from studies.datasets.profile import ColumnProfile, profile
from studies.datasets.table import Table
from studies.datasets.tables import read
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat, TableOptions

DAY = datetime(2024, 1, 31)
COLUMNS: dict[str, list[Any]] = {
    "age": [20.0 + row if row % 7 else None for row in range(40)],
    "income": [1000.5 + row for row in range(40)],
    "whole": [row**2 for row in range(40)],
    "city": [["Rome", "Köln", None, "Oslo"][row % 4] for row in range(40)],
    "member": [row % 3 > 0 for row in range(40)],
    "since": [DAY + timedelta(days=11 * row, hours=row % 2 * 6) for row in range(40)],
    "y": [f"c{row % 2}" for row in range(40)],
}
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


def read_as(file: Path, kind: TableFormat, content: bytes | str | None = None, **options: Any) -> Table:
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(file, kind, TableOptions(target="y", **options))


def write_csv(file: Path) -> None:
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, list(COLUMNS))
        writer.writeheader()
        writer.writerows(ROWS)


def write_workbook(file: Path, rows: list[list[Any]]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(file)


def write_lines(file: Path) -> None:
    rows = [{name: value for name, value in row.items() if value is not None} for row in ROWS]
    file.write_text("".join(f"{json.dumps(row, ensure_ascii=False, default=str)}\n" for row in rows))


def write(file: Path, kind: TableFormat) -> None:
    match kind:
        case "xlsx":
            write_workbook(file, [list(COLUMNS), *(list(row.values()) for row in ROWS)])
        case "jsonl":
            write_lines(file)
        case "feather":
            feather.write_feather(pa.table(COLUMNS), str(file))
        case _:
            write_csv(file)


def described(table: Table) -> dict[str, ColumnProfile]:
    return {column.name: column for column in profile(table).columns}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table"


@pytest.mark.parametrize("kind", ["xlsx", "jsonl", "feather"])
def test_a_table_is_the_same_from_every_format(file: Path, kind: TableFormat) -> None:
    write(file, "csv")
    expected = described(read_as(file, "csv"))
    write(file, kind)
    found = read_as(file, kind)
    assert described(found) == expected
    assert found.notes == ()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_gzip_data_is_read_as_what_is_in_it(file: Path, kind: TableFormat) -> None:
    write(file, kind)
    plain = read_as(file, kind)
    halves = file.read_bytes()[:100], file.read_bytes()[100:]
    found = read_as(file, kind, b"".join(map(gzip.compress, halves)))
    assert profile(found) == profile(plain)


def test_gzip_data_is_expanded_to_a_limit_only(file: Path) -> None:
    file.write_bytes(gzip.compress(b"a,y\n" + b"1,2\n" * 1_000_000))
    assert file.stat().st_size < 10_000
    with pytest.raises(InvalidTableError, match=r"more than 0.0 GB expanded"):
        read(file, "csv", TableOptions(target="y"), max_bytes=100_000)


#: Cities, the encoding they are written in, and the one they are read in.
ENCODED: dict[str, tuple[list[str], str, str]] = {
    "German": (["Köln", "München", "Berlin"], "cp1252", "cp1252"),
    "French": (["Hélène", "François", "Anaïs"], "latin-1", "cp1252"),
    "one letter": (["ä", "b", "c"], "cp1252", "cp1252"),
    "signs": (["5 €", "O’Brien", "20 °C"], "cp1252", "cp1252"),
    "Polish": (["Łódź", "Kraków", "Gdańsk"], "cp1250", "cp1250"),
    "Russian": (["Москва", "Казань", "Омск"], "cp1251", "cp1251"),
    "Chinese": (["北京", "上海", "广州"], "gb18030", "gb18030"),
    "Japanese": (["東京", "大阪", "名古屋"], "cp932", "cp932"),
    "old Macs": (["Köln", "München", "Würzburg"], "mac-roman", "mac-roman"),
    "Unicode": (["Köln", "東京", "Москва"], "utf-16", "utf-16"),
    "Unicode without a mark": (["Köln", "東京", "Москва"], "utf-16-be", "utf-16-be"),
}


@pytest.mark.parametrize("case", ENCODED)
def test_the_encoding_of_a_text_is_seen_said_and_kept(file: Path, case: str) -> None:
    cities, written, seen = ENCODED[case]
    text = "".join(
        ["größe,y\n" if case == "German" else "a,y\n", *(f"{city},{row}\n" for row in range(9) for city in cities)]
    )
    found = read_as(file, "csv", text.encode(written))
    assert set(found.features[0].levels) == set(cities)
    assert f"is read as {seen}" in found.notes[0]
    assert found.options.encoding == seen
    # A worker reads it as it was read at first.
    again = read(file, "csv", found.options)
    assert again.features[0].levels == found.features[0].levels


def test_a_late_letter_decides_with_the_others(file: Path) -> None:
    late = "a,y\n" + "x,1\n" * 50_000 + "Łódź,2\nGdańsk,2\n"
    found = read_as(file, "csv", late.encode("cp1250"))
    assert set(found.features[0].levels) == {"x", "Łódź", "Gdańsk"}


def test_an_encoding_that_is_asked_for_is_used(file: Path) -> None:
    found = read_as(file, "csv", "a,y\n東京,1\n大阪,2\n".encode("euc-jp"), encoding="EUC_JP")
    assert set(found.features[0].levels) == {"東京", "大阪"}
    assert found.options.encoding == "euc_jp"
    marked = read_as(file, "csv", "a,y\n1,2\n".encode("utf-16"), encoding="utf-16-le")
    assert marked.features[0].name == "a"


def test_a_json_field_has_one_kind_wherever_a_block_ends(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_BATCH_ROWS", 2)
    values = ["1", "2.50", "3", '"4"', "null", '"old"', "true", *["1"] * 5]
    text = "".join(f'{{"a": {value}, "n": {row}, "y": {row}}}\n' for row, value in enumerate(values))
    kinds = described(read_as(file, "jsonl", text, task="regression"))
    assert (kinds["a"].kind, kinds["n"].kind, kinds["a"].missing) == ("category", "number", 1)
    assert {level.name for level in kinds["a"].levels} == {"1", "2.50", "3", "4", "old", "true"}


def test_the_cells_of_a_sheet_are_what_they_show(file: Path) -> None:
    book = openpyxl.Workbook()
    hidden, shown, more = book.active, book.create_sheet("Data"), book.create_sheet("More")
    hidden.sheet_state, more["A1"] = "hidden", "other"
    rows = [
        ["id", None, "day", "y"],
        [3.0, "x", DAY, 0.1],
        [4, 1e16, DAY + timedelta(hours=6), 1e-7],
        [" ", "", None, ""],
    ]
    for row in rows:
        shown.append(row)
    shown["A9"].font = openpyxl.styles.Font(bold=True)  # a cell without a value
    book.save(file)
    with pytest.raises(InvalidTableError, match=r"target: column 'y' has no value in row 4 \(the header is row 1\)"):
        read_as(file, "xlsx")
    shown.delete_rows(4)
    book.save(file)
    found = read_as(file, "xlsx")
    assert [column.name for column in found.features] == ["id", "column 2", "day"]
    assert found.features[0].values.tolist() == [3, 4]
    assert set(found.features[1].levels) == {"x", "10000000000000000"}
    assert found.features[2].values.tolist()[1] == DAY + timedelta(hours=6)
    assert found.target.values.tolist() == [0.1, 1e-7]
    assert " ".join(found.notes) == "the sheet 'Data' is read; name another by `sheet`: 'More'"


def test_a_sheet_is_read_that_is_named(file: Path) -> None:
    book = openpyxl.Workbook()
    for title, value in (("First", 1), ("Second", 2)):
        made = book.create_sheet(title)
        for row in (["a", "y"], [value, value]):
            made.append(row)
    book.save(file)
    found = read_as(file, "xlsx", sheet="Second")
    assert (found.features[0].values.tolist(), found.notes, found.options.sheet) == ([2], (), "Second")
    with pytest.raises(InvalidTableError, match=r"sheet: the workbook has no sheet 'Third'; it has 'Sheet', 'First', "):
        read_as(file, "xlsx", sheet="Third")
    with pytest.raises(InvalidTableError, match=r"sheet: only a workbook has sheets, and the file is csv"):
        read_as(file, "csv", "a,y\n1,2\n", sheet="First")


def sheet(*rows: list[Any]) -> list[list[Any]]:
    return list(rows)


BAD_SHEETS: dict[str, tuple[list[list[Any]], str]] = {
    "no header": (sheet([], ["a", "y"], [1, 2]), r"row 1 of the sheet 'Sheet' is empty"),
    "nothing": ([], r"row 1 of the sheet 'Sheet' is empty"),
    "a value behind the header": (
        sheet(["a", "y"], [1, 2], [1, 2, 3]),
        r"row 3 .* has a value in column 3, and the header",
    ),
    "an empty row": (sheet(["a", "y"], [1, 2], [], [1, 2]), r"no value in row 3"),
    "only a header": (sheet(["a", "y"]), r"no rows beneath its header"),
}


@pytest.mark.parametrize(("rows", "message"), BAD_SHEETS.values(), ids=BAD_SHEETS)
def test_a_sheet_that_is_no_table_is_refused_by_its_row(file: Path, rows: list[list[Any]], message: str) -> None:
    write_workbook(file, rows)
    with pytest.raises(InvalidTableError, match=message):
        read_as(file, "xlsx")


def test_a_workbook_of_any_declared_size_costs_what_it_holds(file: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["B1"], book.active["XFD2"] = "a", "y", 5
    book.save(file)
    with pytest.raises(InvalidTableError, match=r"row 2 .* has a value in column 16384"):
        read_as(file, "xlsx")
    with pytest.raises(InvalidTableError, match=r"the workbook declares 0\.0 GB; at most"):
        read(file, "xlsx", TableOptions(target="y"), max_bytes=10_000)


BAD_LINES: dict[str, tuple[str, str]] = {
    "a list": ('{"a": 1, "y": 2}\n{"a": [1], "y": 2}\n', r"line 2: 'a' is a list; make a field of each"),
    "an object": ('{"a": {"b": 1}, "y": 2}\n', r"line 1: 'a' is an object"),
    "no object": ('[{"a": 1, "y": 2}]', r"line 1 is a list; each line must be an object"),
    "a line that is cut off": ('{"a": 1, "y": 2}\n{"a": 1\n', r"line 2 is not JSON"),
    "an empty line": ('{"a": 1, "y": 2}\n\n{"a": 1, "y": 2}\n', r"line 2 is empty; take it out"),
    "half a letter": ('{"a": 1, "y": 2}\n{"a": "\\ud83d", "y": 2}\n', r"line 2: 'a' has half a letter"),
    "depth": ("[" * 100_000, r"line 1 nests too deeply"),
    "an endless line": ("x" * 5_000_000, r"line 1 has more than 4,194,304 letters"),
    "a value that is missing": ('{"a": 1, "y": 2}\n{"a": 1}\n', r"column 'y' has no value in line 2"),
    "infinite": ('{"a": 1, "y": 2}\n{"a": Infinity, "y": 2}\n', r"column 'a': line 2 is infinite"),
    "nothing": ("", r"the file is empty; each line must be an object"),
}


@pytest.mark.parametrize(("text", "message"), BAD_LINES.values(), ids=BAD_LINES)
def test_lines_that_are_no_table_are_refused_by_their_number(file: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidTableError, match=message):
        read_as(file, "jsonl", text)


@pytest.mark.parametrize("kind", ["xlsx", "feather"])
def test_a_file_that_is_damaged_is_refused(file: Path, kind: TableFormat) -> None:
    write(file, kind)
    whole = file.read_bytes()
    middle = len(whole) // 2
    for content in (
        whole[:-100],
        whole[:middle],
        b"",
        b"a,y\n1,2\n",
        whole[: middle - 99] + b"\xff" * 99 + whole[middle:],
    ):
        with pytest.raises(InvalidTableError, match=r"the file is not a whole|the file is no \.xlsx"):
            read_as(file, kind, content)


def test_a_feather_file_whose_text_lies_elsewhere_than_it_says_is_refused(file: Path) -> None:
    feather.write_feather(pa.table({"a": ["aa", "bb", "cc"], "y": [1, 2, 3]}), str(file), compression="uncompressed")
    ends, wrong = struct.pack("<4i", 0, 2, 4, 6), struct.pack("<4i", 0, 2, 1, 6)
    with pytest.raises(InvalidTableError, match="not a whole Feather file"):
        read_as(file, "feather", file.read_bytes().replace(ends, wrong))


def test_a_feather_file_that_declares_too_much_is_refused_before_it_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.datasets.feather.FeatherFile.batches", None)
    text = pa.array(["x" * 20_000_000, ""])
    for columns, declared in (
        ({"a": [0] * 1_000_000, "y": [0] * 1_000_000}, "1000000 rows of 2 columns"),
        ({"a": text, "y": [0, 1]}, "2 rows of 2 columns that are 0.0 GB expanded"),
        ({"a": text.dictionary_encode(), "y": [0, 1]}, "2 rows of 2 columns that are 0.0 GB expanded"),
    ):
        feather.write_feather(pa.table(columns), str(file), compression="zstd")
        assert file.stat().st_size < 100_000
        with pytest.raises(InvalidTableError, match=f"declares {declared}"):
            read(file, "feather", TableOptions(target="y"), max_bytes=1_000_000)
