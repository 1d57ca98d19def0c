"""The whole way of a dataset and a model with S3 in place of a folder, and what happens while S3 is away."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from service.settings import Settings
from service.storage import orphans
from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.store import Store
from studies.datasets.preprocessing import PreparedData
from studies.training.result import Job, OnEpoch, Trained
from tests.acceptance.polling import eventually
from tests.s3 import S3
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study, train
from tests.service.working import working

CSV = "age,city,y\n" + "\n".join(f"{i},{'Rome' if i % 3 else 'Oslo'},{i % 2}" for i in range(60)) + "\n"


@pytest.fixture
def settings(s3: S3, tmp_path: Path, url: str) -> Settings:
    return settings_in(tmp_path, url).model_copy(
        update={"artifacts_url": s3.bucket(), "cache_folder": tmp_path / "cache"}
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    with served(settings) as client:
        yield client


@pytest.fixture
def artifacts(settings: Settings) -> Artifacts:
    return Artifacts(settings.artifacts_url)


def upload(api: httpx.Client, content: str = CSV) -> httpx.Response:
    return api.post("/v1/datasets", params={"target": "y", "format": "csv", "name": "people"}, content=content)


def test_a_study_of_an_uploaded_dataset_runs_from_upload_to_export(
    api: httpx.Client, store: Store, settings: Settings, artifacts: Artifacts, folder: Path
) -> None:
    upload(api).raise_for_status()
    assert api.get("/v1/datasets/people/file").text == CSV
    assert api.get("/v1/datasets/people/preview", params={"rows": 1}).json()["rows"] == [["0", "Oslo", "0"]]
    api.post("/v1/studies", json=document(dataset={"kind": "uploaded", "name": "people"})).raise_for_status()
    with working(store, folder, artifacts_url=settings.artifacts_url, cache_folder=settings.cache_folder):
        eventually(lambda: api.get("/v1/studies/iris").json()["state"] == "completed", 20)
    assert api.get("/v1/studies/iris/model").content == b"weights"
    with zipfile.ZipFile(io.BytesIO(api.get("/v1/studies/iris/export").content)) as exported:
        assert sorted(exported.namelist()) == ["README.md", "model.keras", "preparation.skops"]
    assert violations(store, artifacts) == orphans.find(store, artifacts, 0.0) == []
    api.delete("/v1/studies/iris").raise_for_status()
    api.delete("/v1/datasets/people").raise_for_status()
    assert artifacts.paths() == []
    assert not folder.exists()


def test_a_model_that_s3_does_not_take_now_fails_no_trial_and_is_tried_again_with_growing_pauses(
    s3: S3, store: Store, settings: Settings, folder: Path
) -> None:
    trainings: list[int] = []
    outage = ExitStack()

    def engine(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        trainings.append(job.number)
        if len(trainings) == 1:
            outage.enter_context(s3.away())
        if len(trainings) == 4:
            outage.close()
        return train(job, data, on_epoch)

    store.create_study(study(trials=3))
    with outage, capture_logs() as lines, working(store, folder, engine, artifacts_url=settings.artifacts_url):
        eventually(lambda: store.study("iris").state == "completed", 20)
    assert trainings[:4] == [0] * 4
    assert [line["seconds"] for line in lines if "set aside" in line["event"]] == [0.05, 0.1, 0.2]
    trials = store.trials("iris", (), Sort.parse("number"), 10, None).items
    assert [(trial.state, trial.attempt) for trial in trials] == [("COMPLETE", 1)] * 3


def test_while_s3_is_away_the_api_says_so_and_deletes_all_the_same(
    s3: S3, api: httpx.Client, store: Store, settings: Settings, artifacts: Artifacts, folder: Path
) -> None:
    upload(api).raise_for_status()
    api.post("/v1/studies", json=document(trials=2)).raise_for_status()
    with working(store, folder, artifacts_url=settings.artifacts_url):
        eventually(lambda: store.study("iris").state == "completed", 20)
    with s3.away():
        paths = ("datasets/people/file", "datasets/people/preview", "studies/iris/model")
        answers = [*(api.get(f"/v1/{path}") for path in paths), upload(api, CSV.replace("Rome", "Lima"))]
        deleted = [api.delete(f"/v1/{path}").status_code for path in ("studies/iris", "datasets/people")]
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["title"] == "Storage unavailable"
        assert "Could not connect to the endpoint" in answer.json()["detail"]
    assert deleted == [204, 204]
    left = orphans.find(store, artifacts, 0.0)
    assert left == sorted(artifacts.paths()) != []
    assert orphans.remove(store, artifacts, left) == left
    assert artifacts.paths() == []
