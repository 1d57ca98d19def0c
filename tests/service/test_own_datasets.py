"""Users' own datasets through the API: kept once, described, given back, deleted."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

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
