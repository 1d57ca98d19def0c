"""Files as people have them, uploaded: each is read as a careful person would, or refused with what is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyarrow import csv, parquet

from tests.service.commanding import regsweep, run_command, study_file
from tests.service.conftest import served, settings_in
from tests.service.documents import document

INPUTS = Path(__file__).parents[1] / "studies" / "data" / "inputs"


@pytest.fixture(scope="module")
def inputs_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(settings_in(tmp_path_factory.mktemp("inputs"))) as client:
        yield client


def upload(api: httpx.Client, file: str, **options: Any) -> httpx.Response:
    params = {"target": "y", "format": file.rpartition(".")[2], **options}
    return api.post("/v1/datasets", params=params, content=(INPUTS / file).read_bytes())


def profile(api: httpx.Client, file: str, **options: Any) -> dict[str, Any]:
    answer = upload(api, file, **options)
    assert answer.is_success, answer.text
    return dict(answer.json()["profile"])


def column(found: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(next(column for column in found["columns"] if column["name"] == name))


LABELS = {
    "labels_leading_zeros.csv": ("code", ["001", "002", "003"]),
    "labels_versions_merged.csv": ("version", ["3.1", "3.10", "3.2"]),
    "labels_beyond_2_53.csv": ("account", ["9007199254740992", "9007199254740993", "9007199254740994"]),
    "labels_true_false.csv": ("y", ["False", "True"]),
    "labels_n1.npz": ("y", ["0", "1"]),
    "excel_sep_line.csv": ("y", ["p", "q"]),
}


@pytest.mark.parametrize(("file", "target", "classes"), [(file, *rest) for file, rest in LABELS.items()], ids=LABELS)
def test_classes_are_called_as_the_file_writes_them(
    inputs_api: httpx.Client, file: str, target: str, classes: list[str]
) -> None:
    assert [one["name"] for one in profile(inputs_api, file, target=target)["classes"]] == classes


NUMBERS: dict[str, tuple[str, float, float, int, str]] = {
    "semicolon_thousands.csv": ("revenue", 0, 3973, 0, "numbers with commas dividing thousands"),
    "percent_currency_few.csv": ("price", 0.99, 3.99, 0, "numbers, each with '$'"),
    "marker_dash.csv": ("size", 0.001, 0.988, 1, "'-' in row 9 (the header is row 1) counts as missing among numbers"),
    "marker_na.csv": ("size", 0.035, 0.973, 1, "'na' in row 9 (the header is row 1) counts as missing among numbers"),
    "parquet_text_dates_numbers.parquet": ("n", 0, 19.5, 0, ""),
}


@pytest.mark.parametrize("file", NUMBERS)
def test_numbers_are_numbers_however_they_are_written(inputs_api: httpx.Client, file: str) -> None:
    name, low, high, missing, said = NUMBERS[file]
    whole = profile(inputs_api, file)
    found = column(whole, name)
    assert (found["kind"], found["missing"]) == ("number", missing)
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))
    assert any(said in warning for warning in whole["warnings"]) if said else whole["warnings"] == []
    if file == "percent_currency_few.csv":
        assert column(whole, "discount")["high"] == 15


DATES = {"date_us.csv": 0, "date_de.csv": 0, "date_iso_microseconds.csv": 0, "date_one_bad.csv": 1}


@pytest.mark.parametrize("file", [*DATES, "parquet_text_dates_numbers.parquet"])
def test_dates_are_dates_however_they_are_written(inputs_api: httpx.Client, file: str) -> None:
    whole = profile(inputs_api, file)
    found = column(whole, "when")
    assert (found["kind"], found["missing"]) == ("date", DATES.get(file, 0))
    assert (found["low"][:10], found["high"][:10]) == ("2020-01-01", "2020-12-17")
    if file == "date_one_bad.csv":
        assert [(one["rows"], one["values"]) for one in found["evidence"] if one["warns"]] == [([9], ["0000-00-00"])]


def test_text_in_parquet_means_what_it_means_in_a_csv(inputs_api: httpx.Client) -> None:
    table = parquet.read_table(INPUTS / "parquet_text_dates_numbers.parquet")
    written = io.BytesIO()
    csv.write_csv(table, written)
    params = {"target": "y", "format": "csv"}
    answer = inputs_api.post("/v1/datasets", params=params, content=written.getvalue()).json()["profile"]
    found = profile(inputs_api, "parquet_text_dates_numbers.parquet")
    assert found["columns"] == answer["columns"]
    assert [column["kind"] for column in found["columns"]] == ["date", "number", "category"]


@pytest.mark.parametrize(
    ("file", "name", "why"),
    [
        ("rownumber_sorted.csv", "column 1", "is the number of the row"),
        ("pandas_filtered_index.parquet", "__index_level_0__", "is the index that pandas wrote"),
    ],
)
def test_what_only_numbers_the_rows_is_left_out_and_said(
    inputs_api: httpx.Client, file: str, name: str, why: str
) -> None:
    whole = profile(inputs_api, file)
    assert (column(whole, name)["inputs"], column(whole, name)["left_out"]) == (0, why)
    assert any(f"'{name}'" in warning and why in warning for warning in whole["warnings"])
    assert whole["facts"]["shape"] == [1]


def test_a_target_far_from_zero_keeps_its_digits(inputs_api: httpx.Client) -> None:
    found = profile(inputs_api, "target_float32.csv", target="northing")
    assert (found["task"], column(found, "northing")["distinct"]) == ("regression", 60)


def test_few_whole_numbers_each_once_are_a_regression(inputs_api: httpx.Client) -> None:
    found = profile(inputs_api, "target_15_whole.csv", target="weight")
    assert (found["task"], found["why"]) == ("regression", "its values are 15 numbers")


def test_a_column_of_dates_is_enough_to_learn_from(inputs_api: httpx.Client) -> None:
    assert column(profile(inputs_api, "no_inputs.csv", target="temp"), "when")["inputs"] == 4


REFUSED = {
    "target_one_text.csv": "has no value: row 7 (the header is row 1) holds 'n/k' where all else is a number",
    "target_missing.csv": "has no value in row 7 (the header is row 1); fill it, or leave those rows out with drop",
}


@pytest.mark.parametrize("file", REFUSED)
def test_a_target_that_is_missing_is_refused_with_its_row(inputs_api: httpx.Client, file: str) -> None:
    answer = upload(inputs_api, file)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "target"
    assert REFUSED[file] in error["message"]


def test_a_file_that_one_can_learn_nothing_from_is_refused_with_each_columns_reason(inputs_api: httpx.Client) -> None:
    rows = "".join(f"{i},x,u{i},{i % 2}\n" for i in range(20))
    answer = inputs_api.post("/v1/datasets?target=y&format=csv", content=f"id,same,name,y\n{rows}")
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "no column tells anything of the target: column 'id' is an identifier by its name and its values; column "
        "'same' is the same in every row; column 'name' has 20 values, none in 5 rows or more, as identifiers have",
    )


def test_everyone_sees_how_the_data_of_a_study_was_read(inputs_api: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    rows = "".join(f"{i};{i % 7} €;{'NA' if i == 3 else i % 5};x;{'no' if i % 2 else 'yes'}\n" for i in range(40))
    file.write_text(f"row;price;size;same;sold\n{rows}")
    asked = study_file(tmp_path, document("sales", dataset={"kind": "file", "path": "sales.csv", "target": "sold"}))
    submitted = regsweep(str(inputs_api.base_url).rstrip("/"), "submit", asked)
    warnings = [
        "columns are divided by semicolons, as row 1 is",
        "column 'row': is the number of the row, and is left out",
        "column 'price': numbers, each with '€'",
        "column 'same': is the same in every row, and is left out",
    ]
    assert submitted.stderr.splitlines() == [f"regsweep: warning: {warning}" for warning in warnings]
    data = inputs_api.get("/v1/studies/sales").json()["data"]
    assert data["warnings"] == warnings
    shown = regsweep(str(inputs_api.base_url).rstrip("/"), "show", "sales", columns=200).stdout.splitlines()
    lines = [
        "40 rows, binary: its values are texts",
        "2 columns used: price, size",
        "2 left out: row (is the number of the row), same (is the same in every row)",
        "Values are missing in size",
        "utf-8 text, its columns divided by semicolons",
    ]
    assert [line.strip() for line in shown if line.strip() in lines] == lines
    # What the lines say is not said again.
    told = [line.strip() for line in shown if line.startswith("Warning: ")]
    assert told == [f"Warning: {warning}" for warning in warnings if "left out" not in warning]
    checked = run_command("validate", asked).stderr.splitlines()
    assert checked == [f"regsweep: warning: {warning}" for warning in warnings if "left out" not in warning]
    page = inputs_api.get("/v1/studies/sales/report").text
    assert all(escape(text) in page for text in (*lines, *warnings))
    assert inputs_api.get("/v1/studies").json()["items"][0]["data"] is None


TABLE = "when,zone,code,y\n" + "".join(
    f"0{1 + i % 9}/0{1 + i % 7}/2024,{'NA' if i % 2 else 'EU'},{i % 3},{'no' if i % 2 else 'yes'}\n" for i in range(42)
)
COLUMNS: dict[str, dict[str, Any]] = {
    "when": {"kind": "date", "format": "%d/%m/%Y"},
    "zone": {"missing": []},
    "code": {"kind": "category"},
}


def kinds(api: httpx.Client, name: str) -> dict[str, Any]:
    found = api.get(f"/v1/datasets/{name}").json()["profile"]["columns"]
    return {column["name"]: (column["kind"], column["missing"], column["high"]) for column in found}


def test_how_columns_are_to_be_read_is_said_in_a_query_a_form_a_command_and_a_study_file(
    inputs_api: httpx.Client, tmp_path: Path
) -> None:
    url, file = str(inputs_api.base_url).rstrip("/"), tmp_path / "table.csv"
    file.write_text(TABLE)
    asked = {"target": "y", "columns": json.dumps(COLUMNS)}
    form = inputs_api.post("/v1/datasets", files={"file": ("in a form.csv", TABLE)}, data=asked)
    query = inputs_api.post("/v1/datasets", params={**asked, "format": "csv", "name": "in a query"}, content=TABLE)
    assert (form.status_code, query.status_code) == (201, 201), (form.text, query.text)
    options = ["--column", "when={kind: date, format: '%d/%m/%Y'}", "--column", "zone={missing: []}"]
    added = regsweep(url, "datasets", "add", str(file), "--target", "y", "--column", "code=category", *options)
    assert added.returncode == 0, added.stderr
    dataset = {"kind": "file", "path": "table.csv", "name": "in a study", "target": "y", "columns": COLUMNS}
    submitted = regsweep(url, "submit", study_file(tmp_path, document("columns", dataset=dataset)))
    assert submitted.returncode == 0, submitted.stderr
    for name in ("in a form", "in a query", "table", "in a study"):
        found = kinds(inputs_api, name)
        assert found["when"] == ("date", 0, "2024-07-08T00:00:00.000"), name
        assert (found["zone"][:2], found["code"][:2]) == (("category", 0), ("category", 0)), name


@pytest.mark.parametrize(
    ("columns", "field", "said"),
    [
        ({"when": {"kind": "day"}}, "columns.when.kind", "'day' is not known"),
        ({"then": {"kind": "date"}}, "columns", "the file has no column 'then'; did you mean 'when'?"),
        ({"when": {"format": "%"}}, "columns.when.format", "tells no dates apart"),
        ({"code": {"decimal": ",", "thousands": ","}}, "columns.code.thousands", "is the decimal point already"),
        ({"zone": {"kind": "number"}}, "columns", "'zone' holds texts such as 'EU', and the kind number is asked for"),
        ({"y": {"kind": "ignore"}}, "ignore", "'y' is the target, which cannot be ignored"),
    ],
)
def test_what_columns_cannot_be_is_refused_with_the_field(
    inputs_api: httpx.Client, columns: dict[str, Any], field: str, said: str
) -> None:
    params = {"target": "y", "format": "csv", "columns": json.dumps(columns)}
    answer = inputs_api.post("/v1/datasets", params=params, content=TABLE)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert said in error["message"]


def test_rows_that_cannot_be_learned_from_are_left_out_when_asked_and_counted(inputs_api: httpx.Client) -> None:
    rows = "".join(f"{i},{'uv'[i % 2]}\n" for i in range(40)) + "1,\n2,\n3,w\n"
    params: dict[str, Any] = {"target": "y", "format": "csv"}
    refused = inputs_api.post("/v1/datasets", params=params, content=f"x,y\n{rows}")
    assert "has no value in row 42 (the header is row 1) and in 1 other rows" in refused.json()["detail"]
    asked = {**params, "drop_missing_target": True}
    refused = inputs_api.post("/v1/datasets", params=asked, content=f"x,y\n{rows}")
    assert "has one row of the class 'w', row 44 (the header is row 1)" in refused.json()["detail"]
    found = inputs_api.post("/v1/datasets", params={**asked, "drop_rare_classes": True}, content=f"x,y\n{rows}")
    assert found.status_code == 201, found.text
    assert [one["name"] for one in found.json()["profile"]["classes"]] == ["u", "v"]
    assert found.json()["profile"]["rows"] == 40
    assert found.json()["profile"]["warnings"][:2] == [
        "2 of 43 rows have no target and are left out",
        "1 of 41 rows are of classes with fewer than 5 rows ('w') and are left out",
    ]
