"""A table that pandas, polars, DuckDB or a German spreadsheet writes is read as the kinds and values that it had."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.datasets.table import Column
from studies.datasets.tables import read
from studies.spec.table import TableFormat, TableOptions

ROWS = 24


def write_german(frame: pd.DataFrame, file: Path) -> None:
    """Write as a spreadsheet does where commas are decimal points."""
    with file.open("w", newline="", encoding="cp1252") as text:
        rows = csv.writer(text, delimiter=";")
        rows.writerow(frame.columns)
        rows.writerows([_in_german(value) for value in row] for row in frame.itertuples(index=False))


def _in_german(value: object) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "WAHR" if value else "FALSCH"
    if isinstance(value, float):
        return f"{value:.3f}".replace(".", ",")
    return f"{value:%d.%m.%Y}" if isinstance(value, pd.Timestamp) else str(value)


WRITERS: dict[str, tuple[TableFormat, Callable[[pd.DataFrame, Path], object]]] = {
    "pandas csv": ("csv", lambda frame, file: frame.to_csv(file, index=False)),
    "pandas csv with its index": ("csv", lambda frame, file: frame.to_csv(file)),
    "pandas parquet": ("parquet", lambda frame, file: frame.to_parquet(file)),
    "pandas json": (
        "jsonl",
        lambda frame, file: frame.to_json(file, orient="records", lines=True, date_format="iso"),
    ),
    "pandas excel": ("xlsx", lambda frame, file: frame.to_excel(file, index=False, engine="openpyxl")),
    "polars csv": ("csv", lambda frame, file: pl.from_pandas(frame).write_csv(file)),
    "polars parquet": ("parquet", lambda frame, file: pl.from_pandas(frame).write_parquet(file)),
    "polars json": ("jsonl", lambda frame, file: pl.from_pandas(frame).write_ndjson(file)),
    "duckdb csv": ("csv", lambda frame, file: duckdb.from_df(frame).write_csv(str(file))),
    "duckdb parquet": ("parquet", lambda frame, file: duckdb.from_df(frame).write_parquet(str(file))),
    "german csv": ("csv", write_german),
}
KINDS = {
    "whole": "number",
    "share": "number",
    "gaps": "number",
    "flag": "boolean",
    "colour": "category",
    "letter": "category",
    "day": "date",
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    def column(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=ROWS, max_size=ROWS))

    numbers = st.floats(-1e5, 1e5).map(lambda number: round(number, 3))
    return pd.DataFrame(
        {
            "whole": column(st.integers(-10_000, 1_000_000)),
            "share": column(numbers),
            "gaps": pd.Series(column(st.none() | numbers), dtype="float64"),
            "flag": column(st.booleans()),
            "colour": column(st.sampled_from(["red", "blue, dark", 'q"uote', "Äpfel"])),
            "letter": [*column(st.none() | st.sampled_from(["u", "v", "w"]))[1:], "u"],
            "day": pd.to_datetime(column(st.dates(dt.date(1990, 1, 1), dt.date(2040, 1, 1)))),
            "y": [1.5 * row for row in range(ROWS)],
        }
    )


def levels(column: Column) -> list[str | None]:
    return [column.levels[code] if code >= 0 else None for code in column.values]


@settings(max_examples=33)
@given(frames(), st.sampled_from(list(WRITERS)))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame, by: str) -> None:
    file_format, write = WRITERS[by]
    file = tmp_path_factory.mktemp("table") / f"table.{file_format}"
    write(frame, file)
    table = read(file, file_format, TableOptions(target="y"))
    found = {column.name: column for column in table.features}
    expected = KINDS | ({"flag": "category"} if by == "german csv" else {})
    assert {name: found[name].kind for name in KINDS} == expected
    for name in ("whole", "share", "gaps"):
        np.testing.assert_allclose(found[name].values, frame[name].to_numpy(float), rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(found["day"].values.astype("datetime64[D]"), frame["day"].to_numpy("datetime64[D]"))
    assert levels(found["colour"]) == frame["colour"].tolist()
    assert levels(found["letter"]) == [None if pd.isna(letter) else letter for letter in frame["letter"]]
    if by != "german csv":
        assert found["flag"].values.astype(bool).tolist() == frame["flag"].tolist()
