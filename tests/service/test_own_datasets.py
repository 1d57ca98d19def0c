"""Users' own datasets through the API: kept once, described, given back, deleted."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pyarrow as pa
import pytest
from pyarrow import feather

from service.settings import Settings
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData
from studies.training.result import Job, OnEpoch, Trained
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.documents import document, trial_result
from tests.service.working import working

ROWS = "\n".join(f"{i},{'Rome' if i % 3 else 'Oslo'},{i % 2}" for i in range(60))
CSV = f"age,city,y\n{ROWS}\n"
KEY = {"Idempotency-Key": "once"}


both_databases = pytest.mark.parametrize("backend", ["SQLite", "PostgreSQL"], indirect=True)


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    return settings_in(tmp_path, url)


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    with served(settings) as client:
        yield client


def upload(api: httpx.Client, content: bytes | str = CSV, kind: str = "csv", **params: Any) -> httpx.Response:
    return api.post("/v1/datasets", params={"target": "y", "format": kind, **params}, content=content)


def kept(settings: Settings) -> list[Path]:
    folder = Path(settings.artifacts_url.removeprefix("file://"), "datasets")
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_split_by_time_that_lacks_a_class_is_refused_with_the_study_and_said_with_the_file(api: httpx.Client) -> None:
    rows = "\n".join(f"{day},{day % 7},{'late' if day >= 250 else 'early'}" for day in range(300))
    answer = upload(api, f"day,a,y\n{rows}\n", name="drift", time="day")
    why = "in the order of time: class 'late' has 50 of 300 rows, and none of them is in the training part"
    [warning] = [text for text in answer.json()["profile"]["warnings"] if "order of time" in text]
    assert why in warning
    for division in ("time", "auto"):
        split = {"resampling": {"split": division}}
        refused = api.post("/v1/studies", json=document("drift", dataset={"kind": "uploaded", "name": "drift"}) | split)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "resampling.split")
        assert why in refused.json()["errors"][0]["message"]
    free = document("free", dataset={"kind": "uploaded", "name": "drift"}, resampling={"split": "stratified"})
    assert api.post("/v1/studies", json=free).status_code == 201


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


def versions(api: httpx.Client, name: str = "people") -> list[int]:
    return [one["version"] for one in api.get(f"/v1/datasets/{name}/versions").json()]


def test_the_same_bytes_under_the_same_name_are_one_version(api: httpx.Client, settings: Settings) -> None:
    first, again = upload(api, name="people"), upload(api, name="people")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert (versions(api), len(kept(settings))) == ([1], 1)


def test_an_upload_is_known_again_by_options_that_an_older_release_wrote(api: httpx.Client, tmp_path: Path) -> None:
    first = upload(api, name="people").json()
    with closing(sqlite3.connect(tmp_path / "regsweep.db")) as connection, connection:
        connection.execute("UPDATE regsweep_datasets SET options = ?", ['{"target": "y"}'])
    again = upload(api, name="people")
    assert (again.status_code, again.json()) == (200, first)


def test_the_same_bytes_under_another_name_are_a_dataset_of_that_name(api: httpx.Client, settings: Settings) -> None:
    upload(api, name="people").raise_for_status()
    other = upload(api, name="others")
    assert (other.status_code, other.headers["location"]) == (201, "/v1/datasets/others")
    assert len(kept(settings)) == 1
    study = api.post("/v1/studies", json=document(dataset={"kind": "uploaded", "name": "others"}))
    assert (study.status_code, study.json()["spec"]["dataset"]["name"]) == (201, "others")
    assert api.delete("/v1/datasets/people").status_code == 204
    assert api.delete("/v1/datasets/others").status_code == 409
    assert api.get("/v1/datasets/others/file").text == CSV


OTHER_CSV = CSV.replace("Rome", "Lima")


def test_other_bytes_or_options_under_a_name_are_its_next_version(api: httpx.Client, settings: Settings) -> None:
    changes: list[dict[str, Any]] = [{}, {"content": OTHER_CSV}, {"ignore": "age"}, {}]
    answers = [upload(api, name="people", **change) for change in changes]
    assert [(one.status_code, one.json()["version"]) for one in answers] == [(201, 1), (201, 2), (201, 3), (200, 1)]
    assert (versions(api), len(kept(settings))) == ([3, 2, 1], 2)
    assert api.get("/v1/datasets/people").json() == answers[2].json()
    [listed] = [one for one in api.get("/v1/datasets").json() if one["kind"] == "uploaded"]
    assert (listed["name"], listed["version"]) == ("people", 3)
    second = {"version": 2}
    assert api.get("/v1/datasets/people", params=second).json() == answers[1].json()
    assert api.get("/v1/datasets/people/file", params=second).text == OTHER_CSV
    assert "Lima" in api.get("/v1/datasets/people/preview", params=second).text
    missing = api.get("/v1/datasets/people", params={"version": 4})
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        "there is no dataset named 'people' with a version 4",
    )


def test_a_study_keeps_its_version_and_may_name_an_older_one(api: httpx.Client) -> None:
    upload(api, name="people").raise_for_status()
    asked = document("first", dataset={"kind": "uploaded", "name": "people"})
    first = api.post("/v1/studies", json=asked, headers=KEY).json()
    upload(api, OTHER_CSV, name="people").raise_for_status()
    assert (
        api.post("/v1/studies", json=asked, headers=KEY).json() == first
    )  # the same request, whatever its name means by now

    def dataset_of(study: str, **changes: Any) -> Any:
        answer = api.post("/v1/studies", json=document(study, dataset={"kind": "uploaded", "name": "people"} | changes))
        return answer.json()["spec"]["dataset"] if answer.is_success else answer.json()["errors"]

    assert (first["spec"]["dataset"]["version"], dataset_of("second")["version"]) == (1, 2)
    report = api.get("/v1/studies/second/report", params={"format": "json"}).json()
    assert report["about"]["data"] == "people (version 2): binary, 60 rows, 2 inputs"
    assert dataset_of("older", version=1) == first["spec"]["dataset"]
    assert dataset_of("again", **first["spec"]["dataset"]) == first["spec"]["dataset"]
    [error] = dataset_of("none", version=3)
    assert error == {"field": "dataset.version", "message": "the dataset 'people' has no version 3; 2 is the newest"}
    [error] = dataset_of("text", version="2")
    assert error["field"] == "dataset.version"
    assert dataset_of("huge", version=10**30)[0]["field"] == "dataset.version"


@both_databases
def test_a_version_is_deleted_alone_or_all_are_unless_a_study_is_about_one(
    api: httpx.Client, settings: Settings
) -> None:
    for content in (CSV, OTHER_CSV, CSV + "70,Bonn,1\n"):
        upload(api, content, name="people").raise_for_status()
    dataset = {"kind": "uploaded", "name": "people", "version": 2}
    api.post("/v1/studies", json=document(dataset=dataset)).raise_for_status()
    assert [api.delete("/v1/datasets/people", params=which).status_code for which in ({}, {"version": 2})] == [409, 409]
    assert versions(api) == [3, 2, 1]
    assert api.delete("/v1/datasets/people", params={"version": 3}).status_code == 204
    assert (versions(api), len(kept(settings))) == ([2, 1], 2)
    api.delete("/v1/studies/iris", params={"force": True}).raise_for_status()
    assert api.delete("/v1/datasets/people").status_code == 204
    assert kept(settings) == []
    assert api.delete("/v1/datasets/people").status_code == 404


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


@both_databases
def test_uploads_of_a_name_at_once_are_one_version_for_each_content(api: httpx.Client) -> None:
    contents = [CSV + f"{70 + number % 4},Bonn,1\n" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = [f.result() for f in [pool.submit(upload, api, content, name="people") for content in contents]]
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201] * 4
    assert sorted(answer.json()["version"] for answer in answers) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert versions(api) == [4, 3, 2, 1]


NAMES = ["a/b", "a\u202eb", "x" * 101, "", "..", ".hidden"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_a_dataset_may_not_have_is_refused(api: httpx.Client, settings: Settings, name: str) -> None:
    refused = upload(api, name=name)
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (422, ["name"])
    assert "1 to 100 printable characters" in refused.json()["errors"][0]["message"]
    assert kept(settings) == []


@pytest.mark.parametrize("name", ["n" * 90, "n" * 100, "ü" * 100, "Q3 sales.v2_final-x"])
def test_a_name_that_a_dataset_may_have_does_for_every_route_and_an_unnamed_study(api: httpx.Client, name: str) -> None:
    location = upload(api, name=name).headers["location"]
    for rest in ("", "/versions", "/preview", "/file"):
        assert api.get(location + rest).status_code == 200
    unnamed = api.post("/v1/studies", json=document(None, dataset={"kind": "uploaded", "name": name}))
    assert unnamed.status_code == 201, unnamed.text
    assert api.get(unnamed.headers["location"]).json()["name"].startswith(name[:70])
    assert len(unnamed.json()["name"]) <= 100
    assert api.delete(location).status_code == 409


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


def send(api: httpx.Client, file_name: str, content: str = CSV, part_type: str = "", **fields: Any) -> httpx.Response:
    """Upload a file in a form, as a browser does."""
    part = (file_name, content, part_type) if part_type else (file_name, content.encode(), "application/octet-stream")
    return api.post("/v1/datasets", files={"file": part}, data=fields)


def test_a_file_in_a_form_is_the_dataset_that_it_is_as_a_body(api: httpx.Client) -> None:
    options: dict[str, Any] = {"target": "y", "ignore": ["age", "city"], "task": "regression", "time": ""}
    refused = send(api, "people.csv", **options)
    assert (refused.status_code, "no column" in refused.json()["detail"]) == (422, True), refused.text
    options["ignore"] = ["age"]
    sent = send(api, "people.csv", **options)
    assert (sent.status_code, sent.headers["location"]) == (201, "/v1/datasets/people"), sent.text
    body = upload(api, name="people", ignore="age", task="regression")
    assert (body.status_code, body.json()) == (200, sent.json())
    assert api.get("/v1/datasets/people/file").text == CSV


TSV = CSV.replace(",", "\t")


@pytest.mark.parametrize(
    ("file_name", "part_type", "fields", "found"),
    [
        ("größe.tsv", "", {}, ("größe", "tsv")),
        (r"C:\\data\\my file (1).TSV", "application/vnd.ms-excel", {}, ("my file (1)", "tsv")),
        ("people.csv", "text/tab-separated-values", {}, ("people", "tsv")),
        ("people.csv", "text/csv", {"format": "tsv", "name": "mine"}, ("mine", "tsv")),
    ],
    ids=["ending", "unknown type", "type", "field"],
)
def test_a_form_names_a_dataset_by_its_file_and_a_format_by_field_type_or_ending(
    api: httpx.Client, file_name: str, part_type: str, fields: dict[str, str], found: tuple[str, str]
) -> None:
    sent = send(api, file_name, TSV, part_type, target="y", **fields)
    assert sent.status_code == 201, sent.text
    assert (sent.json()["name"], sent.json()["format"], sent.json()["profile"]["rows"]) == (*found, 60)


def test_curl_sends_a_form_with_options_in_either_place(api: httpx.Client, tmp_path: Path) -> None:
    file = tmp_path / "churn.csv"
    file.write_text("größe/cm,a,y\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60)))
    address = f"{str(api.base_url).rstrip('/')}/v1/datasets"
    form = ("curl", "-sS", "-F", f"file=@{file}", "-F", "target=y", f"{address}?target=y&weight=gr%C3%B6%C3%9Fe/cm")
    sent = json.loads(subprocess.run(form, capture_output=True, check=True).stdout)
    assert (sent["name"], sent["options"]["weight"]) == ("churn", "größe/cm")
    body = ("curl", "-sS", "--data-binary", f"@{file}", f"{address}?target=gr%C3%B6%C3%9Fe/cm&format=csv")
    made_up = json.loads(subprocess.run(body, capture_output=True, check=True).stdout)["name"]
    assert made_up.startswith("größe cm-")
    assert api.get(f"/v1/datasets/{made_up}").status_code == 200


def test_both_bodies_of_an_upload_are_documented(api: httpx.Client) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    for path, field in (("/v1/datasets", "ignore"), ("/v1/studies/{name}/predict", "technique")):
        content = paths[path]["post"]["requestBody"]["content"]
        assert content["text/csv"]["schema"] == {"type": "string", "format": "binary"}
        form = content["multipart/form-data"]["schema"]
        assert {"file", "format", field} <= form["properties"].keys()
        assert form["required"] == ["file"]
        assert field in {parameter["name"] for parameter in paths[path]["post"]["parameters"]}


@pytest.mark.parametrize(("split", "fold", "part"), [
    ("time", 3, "the training rows of fold 4 of 4, divided in the order of time"),
    ("random", 0, "the training rows of fold 1 of 4, divided at random"),
])  # fmt: skip
def test_an_export_holds_the_fold_that_stands_for_the_trial_and_says_which_rows_it_saw(
    api: httpx.Client, settings: Settings, split: str, fold: int, part: str
) -> None:
    upload(api, name="people", time="age").raise_for_status()
    dataset, resampling = {"kind": "uploaded", "name": "people"}, {"kind": "kfold", "folds": 4, "split": split}
    trained: dict[int, int] = {}

    def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        on_epoch(1, {"val_loss": 0.5})
        trained[job.fold] = data.train_rows
        result = replace(trial_result(0.5), curve={"epoch": [1.0], "fold": [float(job.fold)]})

        def save(path: Path) -> None:
            path.write_bytes(b"model of fold %d" % job.fold)

        return Trained(result, save)

    api.post("/v1/studies", json=document(trials=1, dataset=dataset, resampling=resampling)).raise_for_status()
    artifacts = Path(settings.artifacts_url.removeprefix("file://"))
    with closing(Store(settings.database_url)) as store, working(store, artifacts, train):
        eventually(lambda: store.study("iris").ended_at, 20)
    with zipfile.ZipFile(io.BytesIO(api.get("/v1/studies/iris/export").content)) as file:
        assert file.read("model.keras").decode() == f"model of fold {fold}"
        assert file.read("preparation.skops") == (artifacts / f"studies/1/preparation-{fold}.skops").read_bytes()
        assert f"It was trained on {trained[fold]} of 60 rows: {part}." in file.read("README.md").decode()
    assert api.get("/v1/studies/iris/trials/0/curve").json()["curve"]["fold"] == [fold]
    rows = {"train_rows": trained[fold], "rows": 60, "part": part}
    assert api.get("/v1/studies/iris/trials/0/weights").json()["trained_on"] == rows
    assert trained[fold] == max(trained.values())


def test_predictions_are_asked_of_a_study_that_is_there(api: httpx.Client) -> None:
    answer = api.post("/v1/studies/nowhere/predict", content=b"a\n1\n", headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no study named 'nowhere'")
    answer = api.post("/v1/studies/nowhere/predict", files={"file": ("rows.csv", b"a\n1\n")})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no study named 'nowhere'")
    answer = api.post("/v1/studies/nowhere/predict", files={"file": ("rows.csv", b"a\n1\n")}, data={"trial": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "trial")
    answer = api.post("/v1/studies/nowhere/predict", data={"trial": "1"})
    assert (answer.status_code, "-F file=@FILE" in answer.json()["detail"]) == (422, True)


def test_bundled_datasets_are_read_as_they_are_listed_until_one_of_the_name_is_uploaded(api: httpx.Client) -> None:
    listed = {each["name"]: each for each in api.get("/v1/datasets").json()}
    assert listed["iris"]["kind"] == "builtin"
    assert listed["wide"]["kind"] == "synthetic"
    for name, each in listed.items():
        assert api.get(f"/v1/datasets/{name}").json() == each
    missing = api.get("/v1/datasets/iris/file")
    assert (missing.status_code, missing.json()["title"]) == (404, "Not found")
    assert "comes with regsweep" in missing.json()["detail"]
    assert api.get("/v1/datasets/iris?version=1").status_code == 404
    rows = b"a,b\n" + b"1,x\n2,y\n" * 30
    api.post("/v1/datasets?target=b&name=iris", content=rows, headers={"content-type": "text/csv"}).raise_for_status()
    assert api.get("/v1/datasets/iris").json()["kind"] == "uploaded"
