"""Users' own datasets through the API: kept once, described, given back, deleted."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pyarrow as pa
import pytest
from pyarrow import feather

from service.settings import Settings
from tests.service.conftest import served, settings_in
from tests.service.documents import document

ROWS = "\n".join(f"{i},{'Rome' if i % 3 else 'Oslo'},{i % 2}" for i in range(60))
CSV = f"age,city,y\n{ROWS}\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    with served(settings) as client:
        yield client


def upload(api: httpx.Client, content: bytes | str = CSV, kind: str = "csv", **params: Any) -> httpx.Response:
    return api.post("/v1/datasets", params={"target": "y", "format": kind, **params}, content=content)


def kept(settings: Settings) -> list[Path]:
    folder = Path(settings.artifacts_url.removeprefix("file://"), "datasets")
    return sorted(folder.iterdir()) if folder.exists() else []


def test_an_uploaded_dataset_is_described_listed_and_given_back(api: httpx.Client) -> None:
    answer = upload(api, name="people")
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/datasets/people")
    shown = api.get("/v1/datasets/people").json()
    assert shown == answer.json()
    assert (shown["profile"]["rows"], shown["profile"]["task"], shown["bytes"]) == (60, "binary", len(CSV))
    assert [column["name"] for column in shown["profile"]["columns"]] == ["age", "city", "y"]
    assert api.get("/v1/datasets").json()[0]["name"] == "people"
    assert api.get("/v1/datasets/people/file").text == CSV
    assert api.get("/v1/datasets/people/preview", params={"rows": 1}).json()["rows"] == [["0", "Oslo", "0"]]


def test_the_same_bytes_twice_are_one_dataset(api: httpx.Client, settings: Settings) -> None:
    first, again = upload(api, name="people"), upload(api, name="others")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert len(kept(settings)) == 1


def test_the_same_bytes_for_another_target_are_another_dataset_of_the_same_file(
    api: httpx.Client, settings: Settings
) -> None:
    upload(api, name="people").raise_for_status()
    assert upload(api, name="towns", target="city").status_code == 201
    assert len(kept(settings)) == 1
    assert api.delete("/v1/datasets/people").status_code == 204
    assert len(kept(settings)) == 1
    assert api.delete("/v1/datasets/towns").status_code == 204
    assert kept(settings) == []


def test_two_uploads_of_the_same_bytes_at_once_are_one_dataset(api: httpx.Client, settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [f.result() for f in [pool.submit(upload, api, name="people") for _ in range(8)]]
    assert {answer.status_code for answer in answers} == {200, 201}
    assert len({answer.text for answer in answers}) == 1
    assert len(kept(settings)) == 1


def test_a_name_that_is_another_datasets_is_refused_and_leaves_nothing(api: httpx.Client, settings: Settings) -> None:
    upload(api, name="people").raise_for_status()
    other = upload(api, CSV.replace("Rome", "Lima"), name="people")
    assert (other.status_code, len(kept(settings))) == (409, 1)
    assert "a dataset named 'people' exists and is another" in other.json()["detail"]


def test_a_dataset_of_a_study_is_not_deleted(api: httpx.Client) -> None:
    upload(api, name="people").raise_for_status()
    api.post("/v1/studies", json=document(dataset={"kind": "uploaded", "name": "people"})).raise_for_status()
    refused = api.delete("/v1/datasets/people")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "dataset 'people' is that of the studies 'iris'; delete those first"
    api.delete("/v1/studies/iris", params={"force": True}).raise_for_status()
    assert api.delete("/v1/datasets/people").status_code == 204
    assert api.get("/v1/datasets/people").status_code == 404


def test_a_study_says_all_that_is_known_of_its_dataset(api: httpx.Client) -> None:
    digest = upload(api, name="people").json()["digest"]
    study = api.post("/v1/studies", json=document(dataset={"kind": "uploaded", "name": "people"})).json()
    assert (study["spec"]["dataset"]["digest"], study["task"]) == (digest, "binary")
    missing = api.post("/v1/studies", json=document("other", dataset={"kind": "uploaded", "name": "nobody"}))
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["field"] == "dataset.name"


@pytest.mark.parametrize(("rows", "rare", "most"), [(18, 9, 7), (60, 12, 10)], ids=["rows", "rows of a class"])
def test_more_folds_than_rows_are_refused_with_the_study(api: httpx.Client, rows: int, rare: int, most: int) -> None:
    upload(api, "a,y\n" + "".join(f"{i},{int(i < rare)}\n" for i in range(rows)), name="few").raise_for_status()

    def submit(folds: int, **changes: Any) -> httpx.Response:
        dataset = {"kind": "uploaded", "name": "few"}
        return api.post(
            "/v1/studies", json=document(dataset=dataset, resampling={"kind": "kfold", "folds": folds}, **changes)
        )

    for answer in (submit(most + 1), submit(most, comparison={"folds": most + 1})):
        assert answer.status_code == 422, answer.text
        assert f"cannot be divided into {most + 1} folds; use at most {most}" in answer.json()["detail"]
        assert answer.json()["errors"][0]["field"] in {"resampling.folds", "comparison.folds"}
    assert api.get("/v1/studies").json()["items"] == []
    assert submit(most).status_code == 201


#: What is said of Cyrillic bytes, and what they are read as.
ENCODED: dict[str, tuple[dict[str, str], str, str]] = {
    "a charset": ({}, "text/csv; charset=KOI8-R", "koi8-r"),
    "an option, before a charset": ({"encoding": "latin-1"}, "text/csv; charset=koi8-r", "iso8859-1"),
    "nothing": ({}, "text/plain", "cp1251"),
}


@pytest.mark.parametrize("case", ENCODED)
def test_an_encoding_is_believed_or_seen_said_and_kept(api: httpx.Client, case: str) -> None:
    params, kind, encoding = ENCODED[case]
    rows = CSV.replace("Rome", "Казань").replace("Oslo", "Москва").encode("cp1251")
    city = "Казань".encode("cp1251").decode(encoding)
    params = {"target": "y", "name": "people", **params}
    answer = api.post("/v1/datasets", params=params, content=rows, headers={"content-type": kind})
    assert answer.status_code == 201, answer.text
    assert answer.json()["options"]["encoding"] == encoding
    assert f"is read as {encoding}" in answer.json()["profile"]["warnings"][0]
    assert api.get("/v1/datasets/people/preview", params={"rows": 2}).json()["rows"][1][1] == city
    assert api.post("/v1/datasets", params=params, content=rows, headers={"content-type": kind}).status_code == 200


def test_a_file_of_an_older_version_is_the_same_dataset_under_the_same_options(
    api: httpx.Client, settings: Settings
) -> None:
    upload(api, name="people").raise_for_status()
    with closing(sqlite3.connect(settings.database_url.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE regsweep_datasets SET options = json_remove(options, '$.encoding')")
        database.commit()
    assert upload(api, name="people").status_code == 200


LINES = "".join(f'{{"age": {i}, "city": "{"Rome" if i % 3 else "Oslo"}", "y": {i % 2}}}\n' for i in range(60))


def workbook() -> bytes:
    file, book = io.BytesIO(), openpyxl.Workbook()
    for row in csv.reader(CSV.splitlines()):
        book.active.append([int(cell) if cell.isdecimal() else cell for cell in row])
    book.save(file)
    return file.getvalue()


def arrow() -> bytes:
    file = io.BytesIO()
    feather.write_feather(pa.Table.from_pylist([json.loads(line) for line in LINES.splitlines()]), file)
    return file.getvalue()


BODIES: dict[str, Callable[[], bytes]] = {
    "text/csv": lambda: gzip.compress(CSV.encode()),
    "text/plain": lambda: CSV.replace(",", ";").encode(),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": workbook,
    "application/x-ndjson": LINES.encode,
    "application/jsonl": lambda: gzip.compress(LINES.encode()),
    "application/vnd.apache.arrow.file": arrow,
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_table_is_the_same_from_every_content_type(api: httpx.Client, kind: str) -> None:
    expected = upload(api).json()["profile"]["columns"]
    body = BODIES[kind]()
    answer = api.post("/v1/datasets", params={"target": "y"}, content=body, headers={"content-type": kind})
    assert answer.status_code == 201, answer.text
    assert answer.json()["profile"]["columns"] == expected
    file = api.get(f"{answer.headers['location']}/file")
    assert file.content == body
    assert (".gz" in file.headers["content-disposition"]) == (file.content[:2] == b"\x1f\x8b")


def test_a_sheet_that_is_named_is_previewed_as_well(api: httpx.Client) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook()))
    book.create_sheet("Empty", 0)
    file = io.BytesIO()
    book.save(file)
    assert upload(api, file.getvalue(), "xlsx").status_code == 422
    assert upload(api, file.getvalue(), "xlsx", sheet="none").json()["errors"][0]["field"] == "sheet"
    upload(api, file.getvalue(), "xlsx", name="people", sheet="Sheet").raise_for_status()
    assert api.get("/v1/datasets/people/preview", params={"rows": 1}).json()["rows"] == [["0", "Oslo", "0"]]


def test_predictions_are_asked_of_a_study_that_is_there(api: httpx.Client) -> None:
    answer = api.post("/v1/studies/nowhere/predict", content=b"a\n1\n", headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no study named 'nowhere'")
