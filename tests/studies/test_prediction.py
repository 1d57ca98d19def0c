"""An exported zip predicts the rows of a file as its model does."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from studies.datasets.catalog import from_table
from studies.datasets.preprocessing import PreparedData, prepare
from studies.datasets.splits import split
from studies.datasets.tables import read
from studies.errors import DatasetError
from studies.prediction import predict
from studies.spec.dataset import BuiltinDataset
from studies.spec.table import TableFormat, TableOptions
from tests.studies.exports import export
from tests.studies.uploads import mixed, prepared, text

pytestmark = pytest.mark.slow
INPUTS = Path(__file__).parent / "data" / "inputs"


def test_images_are_predicted_by_class_with_the_probability_of_each(tmp_path: Path) -> None:
    data = prepare(BuiltinDataset(kind="builtin", name="digits_images"), 0)
    bundle, model = export(tmp_path, data, 10, "softmax")
    rows = tmp_path / "rows.npz"
    np.savez(rows, images=data.dataset.x[data.rows.test], labels=data.test().y)
    predicted = predict(bundle, rows, "npz")
    expected = model.predict(data.test().x, verbose=0)
    assert predicted.probabilities is not None
    np.testing.assert_allclose(predicted.probabilities, expected, rtol=1e-5)
    assert list(predicted.predicted) == [predicted.class_names[index] for index in expected.argmax(axis=1)]
    np.savez(rows, images=data.dataset.x[:2], more=data.dataset.x[:2])
    with pytest.raises(DatasetError, match=r"must hold one array of images, and holds 2"):
        predict(bundle, rows, "npz")


def test_a_table_of_arrays_is_predicted_in_the_targets_own_unit(tmp_path: Path) -> None:
    numbers = {"day": list(range(120)), "income": mixed(120)["income"], "y": [100.0 + row for row in range(120)]}
    data = prepared(tmp_path, numbers)
    bundle, model = export(tmp_path, data, 1, None)
    rows = tmp_path / "rows.npz"
    day, income = (np.asarray(numbers[name])[data.rows.test] for name in ("day", "income"))
    np.savez(rows, day=day, income=income)
    predicted = predict(bundle, rows, "npz")
    assert (predicted.probabilities, predicted.class_names) == (None, ())
    scaled = model.predict(data.test().x, verbose=0)[:, 0]
    train = np.asarray(numbers["y"])[data.rows.train]
    np.testing.assert_allclose(predicted.predicted, train.mean() + train.std() * scaled, rtol=1e-4)


def test_rows_of_every_format_and_encoding_are_predicted_alike(tmp_path: Path) -> None:
    columns = mixed(120)
    columns["city"] = [None if city is None else f"{city}ö" for city in columns["city"]]
    bundle, _ = export(tmp_path, prepared(tmp_path, columns), 1, "sigmoid")
    rows, names = list(zip(*columns.values(), strict=True)), list(columns)
    expected = predict(bundle, tmp_path / "table.csv", "csv").probabilities
    file, book = tmp_path / "rows", openpyxl.Workbook()
    sheet = book.create_sheet("New rows")
    for row in (names, *rows):
        sheet.append(row)
    lines = "".join(f"{json.dumps(dict(zip(names, row, strict=True)))}\n" for row in rows)
    writers: list[tuple[TableFormat, Callable[[], object], str | None]] = [
        ("csv", lambda: file.write_bytes(gzip.compress(text(columns).encode("cp1252"))), None),
        ("csv", lambda: file.write_bytes(text(columns).encode("cp850")), "cp850"),
        ("jsonl", lambda: file.write_text(lines), None),
        ("xlsx", lambda: book.save(file), None),
    ]
    for kind, write, encoding in writers:
        write()
        title = "New rows" if kind == "xlsx" else None
        np.testing.assert_array_equal(predict(bundle, file, kind, encoding, title).probabilities, expected, kind)
    for kind, content in (("csv", ",".join(names)), ("jsonl", "")):
        file.write_text(f"{content}\n")
        with pytest.raises(DatasetError, match=r"nothing to predict|the file is empty"):
            predict(bundle, file, kind)


def learned(folder: Path, file: Path) -> tuple[Path, PreparedData, Any]:
    """Export an untrained model of a user's file; return the zip, the data and the model."""
    dataset = from_table(read(file, "npz", TableOptions(target="y")))
    data = PreparedData(dataset, split(dataset, 0))
    bundle, model = export(folder, data, 1, "sigmoid")
    return bundle, data, model


@pytest.mark.parametrize("name", ["npz_2d_table", "images_nchw", "images_8x8", "labels_n1", "bigendian"])
def test_a_model_predicts_from_the_very_file_it_was_trained_on(tmp_path: Path, name: str) -> None:
    bundle, data, model = learned(tmp_path, INPUTS / f"{name}.npz")
    predicted = predict(bundle, INPUTS / f"{name}.npz", "npz")
    assert predicted.probabilities is not None
    expected = model.predict(data.test().x, verbose=0)[:, 0]
    np.testing.assert_allclose(predicted.probabilities[data.rows.test, 1], expected, rtol=1e-4)


def test_images_that_the_model_cannot_take_are_refused_with_what_it_takes(tmp_path: Path) -> None:
    bundle, _, _ = learned(tmp_path, INPUTS / "images_8x8.npz")
    takes = r"and the model takes \(rows, 8, 8, 1\)"
    np.savez(tmp_path / "one.npz", x=np.zeros((8, 8)))
    np.savez(tmp_path / "text.npz", x=np.full((2, 8, 8), "a"))
    for file, said in (
        (INPUTS / "images_new_8x9.npz", rf"array 'x' is of shape \(3, 8, 9\), {takes}"),
        (INPUTS / "images_new_nan.npz", r"array 'x': row 1 has a pixel that is missing or infinite"),
        (INPUTS / "images_new_none.npz", r"has no rows to predict"),
        (tmp_path / "one.npz", rf"array 'x' is of shape \(8, 8\), {takes}"),
        (tmp_path / "text.npz", r"its values must be numbers"),
    ):
        with pytest.raises(DatasetError, match=said):
            predict(bundle, file, "npz")


def test_a_file_that_is_no_exported_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"rows\.csv is no exported model"):
        predict(tmp_path / "rows.csv", tmp_path / "rows.csv", "csv")
