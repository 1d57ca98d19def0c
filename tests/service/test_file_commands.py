"""Commands about a user's file: `datasets add | list | delete`, and study files whose dataset is a file beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.local_files import keep_dataset
from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.store import Store
from studies.errors import InvalidSpecError
from tests.service.commanding import Completed, regsweep, study_file
from tests.service.documents import document

ROWS = "\n".join(f"{i},{'Rome' if i % 3 else 'Oslo'},{i % 2}" for i in range(60))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(f"age,city,y\n{ROWS}\n")
    return file


def run(api: httpx.Client, *arguments: str) -> Completed:
    return regsweep(str(api.base_url).rstrip("/"), *arguments)


def test_a_file_is_added_listed_and_deleted(api: httpx.Client, people: Path) -> None:
    added = run(api, "datasets", "add", str(people), "--target", "y", "--ignore", "age")
    assert (added.returncode, added.stdout) == (0, "people\n"), added.stderr
    shown = api.get("/v1/datasets/people").json()
    assert (shown["profile"]["rows"], shown["options"]["ignore"]) == (60, ["age"])
    assert "uploaded\tpeople\tbinary\t60 rows" in run(api, "datasets", "list").stdout
    assert run(api, "datasets", "delete", "people").returncode == 0
    assert api.get("/v1/datasets/people").status_code == 404


def test_a_file_that_is_not_there_is_one_line_and_exit_2(api: httpx.Client, tmp_path: Path) -> None:
    refused = run(api, "datasets", "add", str(tmp_path / "none.csv"), "--target", "y")
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1)
    assert "none.csv" in refused.stderr


def test_a_study_file_is_submitted_with_the_file_beside_it(api: httpx.Client, people: Path) -> None:
    dataset = {"kind": "file", "path": people.name, "target": "y"}
    submitted = run(api, "submit", study_file(people.parent, document("mine", dataset=dataset)))
    assert (submitted.returncode, submitted.stdout) == (0, "mine\n"), submitted.stderr
    spec = api.get("/v1/studies/mine").json()["spec"]
    assert (spec["dataset"]["kind"], spec["dataset"]["name"]) == ("uploaded", "people")


def test_a_pruner_that_never_prunes_is_warned_of_wherever_the_study_is_shown(api: httpx.Client, tmp_path: Path) -> None:
    submitted = run(api, "submit", study_file(tmp_path, document("idle", trials=4, pruner="median")))
    assert (submitted.returncode, submitted.stdout) == (0, "idle\n")
    assert submitted.stderr.startswith("regsweep: warning: pruner.n_startup_trials: never prunes, for it waits for 5")
    [warning] = api.get("/v1/studies/idle").json()["warnings"]
    assert submitted.stderr == f"regsweep: warning: {warning}\n"
    assert f"Warning: {warning}" in " ".join(run(api, "show", "idle").stdout.split())


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ({"target": "y"}, "dataset.path: is missing; it is the path from the study file"),
        ({"path": "people.csv"}, "dataset.target: is missing; it is the column that is to be predicted"),
        ({"path": "none.csv", "target": "y"}, "dataset.path: there is no file"),
        ({"path": "study.yaml", "target": "y"}, "study.yaml must end in one of"),
    ],
)
def test_a_dataset_file_that_is_described_wrongly_is_one_line_and_exit_2(
    api: httpx.Client, people: Path, dataset: dict[str, Any], words: str
) -> None:
    refused = run(api, "submit", study_file(people.parent, document("mine", dataset={"kind": "file", **dataset})))
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1), refused.stderr
    assert words in refused.stderr


def test_a_study_is_paused_resumed_stopped_and_deleted(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    states = [run(api, command, "iris").stdout for command in ("pause", "resume", "stop")]
    assert states == ["paused\n", "queued\n", "stopped\n"]
    assert run(api, "delete", "iris").returncode == 0
    assert api.get("/v1/studies/iris").status_code == 404


@pytest.fixture
def datasets(store: Store, folder: Path) -> DatasetStore:
    return DatasetStore(store, Artifacts(f"file://{folder}"))


def test_a_local_run_keeps_the_file_of_its_study(datasets: DatasetStore, people: Path) -> None:
    dataset = {"kind": "file", "path": people.name, "target": "y"}
    kept = keep_dataset(datasets, document(dataset=dataset), people.parent)
    assert kept["dataset"] == {"kind": "uploaded", "name": "people"}
    assert keep_dataset(datasets, document(dataset=dataset), people.parent) == kept


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "z"}, r"^dataset\.target: the file has no column 'z'; it has 'age', 'city', 'y'$"),
        ({"task": "ranking"}, r"^dataset\.task: 'ranking' is not known"),
        ({"weights": "age"}, r"^dataset\.weights: unknown field; did you mean weight\?$"),
    ],
)
def test_a_local_run_names_the_field_that_does_not_fit_the_file(
    datasets: DatasetStore, people: Path, changes: dict[str, Any], words: str
) -> None:
    dataset = {"kind": "file", "path": people.name, "target": "y", **changes}
    with pytest.raises(InvalidSpecError, match=words):
        keep_dataset(datasets, document(dataset=dataset), people.parent)
