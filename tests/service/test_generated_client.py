"""A client that a tool generates from the OpenAPI document imports, has right types, and runs a study."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from service.api.examples import REQUEST_EXAMPLES
from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.released_document import KEPT
from tests.service.working import working

NAME = "generated_client"


def _run(*arguments: str, folder: Path) -> None:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that openapi-python-client writes, every module of it imported."""
    folder = tmp_path_factory.mktemp("generated")
    Path(folder, "config.yaml").write_text("post_hooks: []\n")
    arguments = ("--path", str(KEPT), "--meta", "none", "--output-path", NAME, "--config", "config.yaml")
    _run("openapi_python_client", "generate", *arguments, folder=folder)
    _run("mypy", "--config-file", "", "--follow-imports", "skip", NAME, folder=folder)
    sys.path.insert(0, str(folder))
    package = importlib.import_module(NAME)
    for module in pkgutil.walk_packages(package.__path__, f"{NAME}."):
        importlib.import_module(module.name)
    yield package
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_a_generated_client_runs_a_study_from_upload_to_result(
    generated: ModuleType, api: httpx.Client, store: Store, database: Path, tmp_path: Path
) -> None:
    assert database.exists()
    calls: Any = sys.modules[f"{NAME}.api"]
    models, types = sys.modules[f"{NAME}.models"], sys.modules[f"{NAME}.types"]
    with generated.Client(base_url=str(api.base_url)) as client:
        _run_a_study(client, calls, models, types, store, tmp_path / "artifacts")


def _run_a_study(client: Any, calls: Any, models: ModuleType, types: ModuleType, store: Store, artifacts: Path) -> None:
    rows = REQUEST_EXAMPLES["upload_dataset"]["text/csv"].encode()
    form = models.UploadDatasetFilesUploadOptions(file=types.File(rows, "people.csv", "text/csv"), target="ill")
    dataset = calls.datasets.upload_dataset.sync(client=client, body=form)
    assert (dataset.name, dataset.profile.facts.rows, dataset.profile.facts.task) == ("people", 30, "binary")

    study = {"name": "ill", "dataset": {"kind": "uploaded", "name": "people"}, "budget": {"trials": 3, "epochs": 3}}
    made = calls.studies.submit_study.sync_detailed(client=client, body=models.StudySpec.from_dict(study))
    assert (made.status_code, made.headers["location"]) == (201, "/v1/studies/ill")
    with working(store, artifacts):
        eventually(lambda: calls.studies.read_study.sync("ill", client=client).state == "completed", 60)
    trials = calls.trials.list_trials.sync("ill", client=client, sort="-value")
    best = calls.trials.read_best_trials.sync("ill", client=client).items[0]
    assert sorted(trial.number for trial in trials.items) == [0, 1, 2]
    assert best.value == min(trial.value for trial in trials.items)
    assert calls.trials.download_trials.sync_detailed("ill", client=client).content.count(b"\n") == 4

    refused = calls.studies.read_study.sync("nobody", client=client)
    assert isinstance(refused, models.Problem)
    assert refused.detail == "there is no study named 'nobody'"
