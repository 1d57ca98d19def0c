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


def test_a_model_of_an_earlier_version_refuses_what_it_cannot_tell(tmp_path: Path) -> None:
    write(tmp_path / "learned", "parquet", typed(ROWS, 0))
    dataset = from_table(read(tmp_path / "learned", "parquet", TableOptions(target="y")))
    preparation = Preparation.of(PreparedData(dataset, split(dataset, 0)))
    preparation = replace(preparation, means=None)
    raw = {name: values[:1] for name, values in typed(ROWS, 0).items()} | {"whole": [None]}
    with pytest.raises(InvalidTableError, match=r"column 'whole' has no value in 1 row .* by an earlier version"):
        preparation.prepare(raw)
