"""Predicted classes are what the labels were that a study's data came with: whole numbers, booleans, texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from service.cli.local_files import write_predictions
from service.client.data import open_data
from service.client.predicted import read_predictions
from service.predicting import predict
from studies import prediction
from studies.datasets.catalog import from_table
from studies.datasets.preprocessing import PreparedData
from studies.datasets.splits import split
from studies.datasets.tables import read
from studies.predictions import ClassType
from studies.spec.table import TableFormat, TableOptions
from tests.studies.exports import export

pytestmark = pytest.mark.slow
ROWS = 60
X = np.random.default_rng(0).normal(size=(ROWS, 3))
LABELS: dict[str, Any] = {
    "whole numbers": np.arange(ROWS) % 3,
    "bytes": (np.arange(ROWS) % 2).astype(np.uint8),
    "from -1": np.where(np.arange(ROWS) % 2, 1, -1),
    "booleans": np.arange(ROWS) % 2 == 0,
    "whole floats": np.arange(ROWS) % 3 + 1.0,
    "texts": np.array(["a", "b", "c"])[np.arange(ROWS) % 3],
    "texts of numbers": np.array(["07", "08"])[np.arange(ROWS) % 2],
}


def exported(folder: Path, data: Any) -> Path:
    with open_data(data) as (file, _, file_format):
        Path(folder, "rows").write_bytes(file.read())
    dataset = from_table(read(Path(folder, "rows"), file_format, TableOptions(target="y")))
    classes = len(dataset.class_names)
    outputs, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    return export(folder, PreparedData(dataset, split(dataset, 0)), outputs, activation)[0]


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("kind", ["arrays", "frame"])
def test_predicted_classes_equal_labels(tmp_path: Path, name: str, kind: str) -> None:
    y = LABELS[name]
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    data = {"arrays": (X, y), "frame": (frame, pd.Series(y, name="y"))}[kind]
    bundle = exported(tmp_path, data)
    rows = X if kind == "arrays" else frame
    found = predict(bundle, rows)
    assert found.probabilities is not None
    classes = np.unique(y)  # sorted, as the columns of the probabilities are
    np.testing.assert_array_equal(found.predicted, classes[found.probabilities.argmax(axis=1)])
    # As a server answers: names in JSON as ever, and what they stand for beside them.
    with open_data(rows) as (file, _, file_format):
        Path(tmp_path, "new").write_bytes(file.read())
    answer = tmp_path / "answer.json"
    write_predictions(prediction.predict(bundle, tmp_path / "new", file_format), answer)
    assert all(isinstance(row["prediction"], str) for row in json.loads(answer.read_text())["predictions"])
    np.testing.assert_array_equal(read_predictions(answer.read_bytes()).predicted, found.predicted)


@pytest.mark.parametrize(
    ("file_format", "class_type"),
    [("csv", "text"), ("jsonl", "text"), ("xlsx", "text"), ("parquet", "integer"), ("feather", "integer")],
)
def test_labels_of_a_file_are_what_its_format_says(
    tmp_path: Path, file_format: TableFormat, class_type: ClassType
) -> None:
    file, frame = tmp_path / "rows", pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=LABELS["whole numbers"])
    match file_format:
        case "csv":
            frame.to_csv(file, index=False)
        case "jsonl":
            frame.to_json(file, orient="records", lines=True)
        case "xlsx":
            frame.to_excel(file, index=False, engine="openpyxl")
        case "parquet":
            frame.to_parquet(file, index=False)
        case "feather":
            frame.to_feather(file)
    dataset = from_table(read(file, file_format, TableOptions(target="y")))
    assert (dataset.class_names, dataset.class_type) == (("0", "1", "2"), class_type)
