"""`regsweep predict`: new rows of every sort, what is told of them, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.service.commanding import Completed, run_command
from tests.studies.exports import export
from tests.studies.uploads import prepared, text

pytestmark = pytest.mark.slow
INPUTS = Path(__file__).parents[1] / "studies" / "data" / "inputs"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    rows = list(csv.reader((INPUTS / "two_levels_train.csv").read_text().splitlines()))
    columns = dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))
    data = prepared(folder, columns, target="kept")
    return export(folder, data, 1, "sigmoid")[0]


def predict(model: Path, rows: Path, *options: str, output: str = "predictions.csv") -> Completed:
    return run_command("predict", str(model), str(rows), "-o", str(model.parent / output), *options)


def test_what_training_never_saw_is_told_and_each_row_has_a_line(model: Path) -> None:
    done = predict(model, INPUTS / "two_levels_new.csv")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "regsweep: column 'sex' has a value in 1 row (row 8) that training never saw: 'unknown'",
        "regsweep: column 'sex' has no value in 2 rows (the first is row 4), and had one in every row of training",
    ]
    found = list(csv.DictReader((model.parent / "predictions.csv").read_text().splitlines()))
    assert list(found[0]) == ["prediction", "p_no", "p_yes"]
    female, male, empty, mark, *alike, unknown = (row["p_yes"] for row in found)
    assert alike == [female, female]
    assert female != male
    assert empty == mark == unknown
    assert empty not in {female, male}


def test_strictly_such_rows_are_refused_and_nothing_is_written(model: Path) -> None:
    refused = predict(model, INPUTS / "two_levels_new.csv", "--strict", output="none.csv")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "training never saw: 'unknown'" in refused.stderr
    assert not (model.parent / "none.csv").exists()


def test_a_column_is_carried_through_and_json_tells_all(model: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(text({"name": ["007", None], "sex": ["male", "none"], "age": [30, 31]}))
    assert predict(model, rows, "--id", "name", output="named.json").returncode == 0
    found = json.loads((model.parent / "named.json").read_text())
    assert [row["id"] for row in found["predictions"]] == ["007", None]
    assert set(found["predictions"][0]["probabilities"]) == {"no", "yes"}
    assert [(one["column"], one["what"], one["count"], one["rows"]) for one in found["unfamiliar"]] == [
        ("sex", "unknown", 1, [3])
    ]
    refused = predict(model, rows, "--id", "names")
    assert (refused.returncode, refused.stderr) == (
        2,
        "regsweep: id: the file has no column 'names'; it has 'name', 'sex', 'age'\n",
    )


def test_a_file_without_rows_is_refused(model: Path) -> None:
    refused = predict(model, INPUTS / "header_only_rows.csv")
    assert refused.returncode == 2
    assert "nothing to predict" in refused.stderr
