"""Rows to predict are prepared as they were in training, in whatever format and by whoever they are written."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from studies.datasets.catalog import from_table
from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData
from studies.datasets.splits import split
from studies.datasets.tables import read
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat, TableOptions

FORMATS: tuple[TableFormat, ...] = ("csv", "parquet", "feather", "jsonl", "xlsx")
ROWS = 60


def write(file: Path, file_format: TableFormat, columns: dict[str, list[Any]]) -> None:
    """Write typed values, as pandas and the like do."""
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    match file_format:
        case "csv":
            written = io.StringIO()
            writer = csv.writer(written)
            writer.writerows([list(columns), *([str(value) for value in row.values()] for row in rows)])
            file.write_text(written.getvalue().replace("None", ""))
        case "jsonl":
            file.write_text("".join(f"{json.dumps(row, default=str)}\n" for row in rows))
        case "xlsx":
            book = openpyxl.Workbook()
            for cells in [list(columns), *(list(row.values()) for row in rows)]:
                book.active.append(cells)
            book.save(file)
        case "parquet":
            parquet.write_table(pa.table(columns), file)
        case _:
            feather.write_feather(pa.table(columns), str(file))


def typed(rows: int, seed: int) -> dict[str, list[Any]]:
    """Columns of each type, without the texts that would be numbers or dates."""
    rng = np.random.default_rng(seed)
    days = [dt.datetime(2024, 1, 1) + dt.timedelta(days=int(day)) for day in rng.integers(0, 400, rows)]
    return {
        "whole": rng.integers(-50, 1000, rows).tolist(),
        "share": rng.random(rows).round(4).tolist(),
        "gaps": [float(value) if value < 1 else None for value in rng.normal(size=rows)],
        "flag": (rng.random(rows) < 0.4).tolist(),
        "city": rng.choice(["Rome", "Oslo", "São Paulo"], rows).tolist(),
        "when": days,
        "y": [f"c{i % 2}" for i in range(rows)],
    }


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FORMATS), st.sampled_from(FORMATS))
def test_a_training_row_gives_what_it_gave_in_training_whatever_format_it_is_sent_in(
    tmp_path_factory: pytest.TempPathFactory, seed: int, learned: TableFormat, sent: TableFormat
) -> None:
    folder, columns = tmp_path_factory.mktemp("rows"), typed(ROWS, seed)
    write(folder / "learned", learned, columns)
    write(folder / "sent", sent, columns)
    dataset = from_table(read(folder / "learned", learned, TableOptions(target="y")))
    data = PreparedData(dataset, split(dataset, 0))
    rows = Preparation.of(data).prepare_file(folder / "sent", sent)
    assert rows.unfamiliar == ()
    np.testing.assert_allclose(rows.x[data.rows.train], data.train.x, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sent", FORMATS)
def test_what_training_never_saw_is_told_alike_in_every_format(tmp_path: Path, sent: TableFormat) -> None:
    columns = typed(ROWS, 0)
    write(tmp_path / "learned", "parquet", columns)
    dataset = from_table(read(tmp_path / "learned", "parquet", TableOptions(target="y")))
    preparation = Preparation.of(PreparedData(dataset, split(dataset, 0)))
    strange = {name: values[:3] for name, values in columns.items()} | {"city": ["Rome", "Ur", None]}
    write(tmp_path / "sent", sent, {**strange, "whole": [1, None, 3], "gaps": [0.5, None, 1.5]})
    found = preparation.prepare_file(tmp_path / "sent", sent)
    told = {(one.column, one.what): (one.count, one.values) for one in found.unfamiliar}
    assert told == {("whole", "missing"): (1, ()), ("city", "unknown"): (1, ("Ur",)), ("city", "missing"): (1, ())}
    assert np.isfinite(found.x).all()


def prepared_of(columns: dict[str, list[Any]], folder: Path, /, **options: Any) -> Preparation:
    write(folder / "learned", "csv", columns)
    dataset = from_table(read(folder / "learned", "csv", TableOptions(target="y", **options)))
    return Preparation.of(PreparedData(dataset, split(dataset, 0)))


def test_a_rows_value_never_depends_on_the_rows_beside_it(tmp_path: Path) -> None:
    days = [f"{1 + i % 12:02}/{13 + i % 9:02}/2023" for i in range(ROWS)]
    preparation = prepared_of(
        {"day": days, "weight": [f"{i % 17},5 kg" for i in range(ROWS)], "y": [f"c{i % 2}" for i in range(ROWS)]},
        tmp_path,
    )
    alone = preparation.prepare({"day": ["02/03/2020"], "weight": ["1,5 kg"]}).x
    for day, weight in (("2020-01-13", "1.5"), ("12/31/2020", "1")):
        beside = preparation.prepare({"day": ["02/03/2020", day], "weight": ["1,5 kg", weight]}).x
        np.testing.assert_array_equal(beside[:1], alone)
    for wrong in ({"day": ["13/01/2020"]}, {"day": ["02/30/2020"]}, {"weight": ["1,5 g"]}, {"weight": ["$1,5"]}):
        with pytest.raises(InvalidTableError, match="row 1 holds"):
            preparation.prepare({"day": ["02/03/2020"], "weight": ["1,5 kg"]} | wrong)


def test_what_was_missing_in_training_is_so_in_new_rows(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"a": [*range(ROWS - 2), "-", "oops"], "y": [f"c{i % 2}" for i in range(ROWS)]}
    preparation = prepared_of(columns, tmp_path)
    assert preparation.feature_names == ("a", "a (missing)")
    assert preparation.prepare({"a": ["3", "-", "oops"]}).x[:, 1].tolist() == [0, 1, 1]
    with pytest.raises(InvalidTableError, match="row 1 holds 'alas', not a number"):
        preparation.prepare({"a": ["alas"]})


def test_rows_that_are_left_out_leave_rare_levels_what_they_were(tmp_path: Path) -> None:
    names = [f"T{i % 20}" for i in range(400)] + [f"r{i}" for i in range(400)]
    columns: dict[str, list[Any]] = {"c": names, "y": [None, *(f"c{i % 2}" for i in range(799))]}
    write(tmp_path / "table", "csv", columns)
    table = read(tmp_path / "table", "csv", TableOptions(target="y", drop_missing_target=True))
    dataset = from_table(table)
    assert (table.features[0].distinct, dataset.feature_names[-1], len(dataset.feature_names)) == (420, "c=(other)", 21)
    np.testing.assert_array_equal(dataset.x[-400:, -1], 1)


def test_an_unknown_level_is_none_that_it_only_rounds_to(tmp_path: Path) -> None:
    labels = [f"c{i // 2 % 2}" for i in range(ROWS)]
    columns: dict[str, list[Any]] = {"c": ["10000000000000000001", "1E10"] * 30, "y": labels}
    preparation = prepared_of(columns, tmp_path, columns={"c": {"kind": "category"}})
    found = preparation.prepare({"c": ["10000000000000000002", "10E9", "1E10"]})
    assert [one.values for one in found.unfamiliar] == [("10000000000000000002", "10E9")]


def test_an_empty_line_of_one_column_is_a_row(tmp_path: Path) -> None:
    preparation = prepared_of({"x": list(range(ROWS)), "y": [f"c{i % 2}" for i in range(ROWS)]}, tmp_path)
    (tmp_path / "rows").write_text("x\n1\n\n3\n")
    found = preparation.prepare_file(tmp_path / "rows", "csv")
    assert (found.x.shape, found.unfamiliar[0].rows) == ((3, 1), (3,))


def test_a_model_of_an_earlier_version_refuses_what_it_cannot_tell(tmp_path: Path) -> None:
    write(tmp_path / "learned", "parquet", typed(ROWS, 0))
    dataset = from_table(read(tmp_path / "learned", "parquet", TableOptions(target="y")))
    preparation = Preparation.of(PreparedData(dataset, split(dataset, 0)))
    preparation = replace(preparation, means=None)
    raw = {name: values[:1] for name, values in typed(ROWS, 0).items()} | {"whole": [None]}
    with pytest.raises(InvalidTableError, match=r"column 'whole' has no value in 1 row .* by an earlier version"):
        preparation.prepare(raw)
