"""Commands about a user's file: `datasets add | list | delete`, and study files whose dataset is a file beside them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.artifacts import Artifacts
from service.storage.datasets import DatasetStore
from service.storage.invariants import violations
from service.storage.store import Store
from tests.service.commanding import Completed, regsweep, run_command, study_file
from tests.service.documents import document, study

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


def test_a_file_of_another_encoding_that_is_gzip_data_is_added_and_described(api: httpx.Client, people: Path) -> None:
    file = people.with_name("folk.txt.gz")
    file.write_bytes(gzip.compress(people.read_text().replace("Rome", "東京").encode("euc-jp")))
    added = run(api, "datasets", "add", str(file), "--target", "y", "--encoding", "euc-jp")
    assert (added.returncode, added.stdout) == (0, "folk\n"), added.stderr
    assert added.stderr.startswith("regsweep: the text is read as euc_jp, as was asked\n")
    dataset = {"kind": "file", "path": file.name, "target": "y", "encoding": "EUC_JP"}
    submitted = run(api, "submit", study_file(people.parent, document("mine", dataset=dataset)))
    assert submitted.returncode == 0, submitted.stderr
    assert api.get("/v1/studies/mine").json()["spec"]["dataset"]["name"] == "folk"


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
    again = run(api, "submit", study_file(people.parent, document("mine", dataset=dataset, trials=77)))
    assert again.returncode == 2
    assert "another study is named 'mine' and differs: budget.trials: " in again.stderr


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


def run_here(store: Store, folder: Path, file: str) -> Completed:
    return run_command("run", file, "--database-url", store.url, "--artifacts-url", f"file://{folder}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "z"}, "dataset.target: the file has no column 'z'; it has 'age', 'city', 'y'"),
        ({"task": "ranking"}, "dataset.task: 'ranking' is not known"),
        ({"weights": "age"}, "dataset.weights: unknown field; did you mean weight?"),
        ({"name": "a/b"}, "dataset.name: 1 to 100 printable characters"),
        ({"name": 7}, "dataset.name: 1 to 100 printable characters"),
    ],
)
@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_field_that_does_not_fit_the_file_is_named_before_anything_is_kept(
    api: httpx.Client, people: Path, tmp_path: Path, command: str, changes: dict[str, Any], words: str
) -> None:
    dataset = {"kind": "file", "path": people.name, "target": "y", **changes}
    file = study_file(people.parent, document("mine", dataset=dataset))
    local = ("--database-url", f"sqlite:///{tmp_path / 'local.db'}") if command == "run" else ()
    refused = run(api, command, file, *local)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert words in refused.stderr
    assert uploads(api) == []
    assert not (tmp_path / "local.db").exists()


def uploads(api: httpx.Client) -> list[tuple[str, int]]:
    return [(one["name"], one["version"]) for one in api.get("/v1/datasets").json() if one["kind"] == "uploaded"]


#: What is wrong with a study whose file is right, and where that is seen.
REFUSED: dict[str, dict[str, Any]] = {
    "here": {"budget": {"trials": "many"}},
    "by a limit of the server": {"budget": {"trials": 50_001}},
    "by the server's studies": {"warm_start": {"study": "nobody"}},
    "for its name": {"name": "taken"},
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_study_that_is_refused_leaves_no_upload(api: httpx.Client, people: Path, why: str) -> None:
    api.post("/v1/studies", json=document("taken")).raise_for_status()
    mine = document("mine", dataset={"kind": "file", "path": people.name, "target": "y"})
    file = study_file(people.parent, mine | REFUSED[why])
    refused = run(api, "submit", file)
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1), refused.stderr
    assert uploads(api) == []
    assert run(api, "datasets", "add", str(people), "--target", "y").stdout == "people\n"
    assert run(api, "submit", file).returncode == 2
    assert uploads(api) == [("people", 1)]  # which was there before


def test_a_key_that_may_not_delete_leaves_an_upload_only_for_what_the_server_alone_knows(
    api: httpx.Client, people: Path, url: str
) -> None:
    api.post("/v1/studies", json=document("taken")).raise_for_status()
    key = run_command("keys", "create", "me", "--scope", "submit", "--database-url", url).stdout.split()[-1]
    api.headers["Authorization"] = f"Bearer {key}"
    mine = document("mine", dataset={"kind": "file", "path": people.name, "target": "y"})
    for why in ("here", "for its name"):
        refused = run(api, "submit", study_file(people.parent, mine | REFUSED[why]), "--key", key)
        assert (refused.returncode, uploads(api)) == (2, []), refused.stderr
    limit = study_file(people.parent, mine | REFUSED["by a limit of the server"])
    refused = run(api, "submit", limit, "--key", key)
    assert refused.returncode == 2
    assert "version 1 of the dataset 'people' stays on the server: this needs the scope admin" in refused.stderr


@pytest.mark.parametrize("changes", [{}, {"warm_start": {"study": "nobody"}, "name": "other"}], ids=["name", "study"])
def test_a_study_that_is_refused_here_leaves_no_dataset(
    store: Store, folder: Path, people: Path, changes: dict[str, Any]
) -> None:
    store.create_study(study("mine"))
    mine = document("mine", dataset={"kind": "file", "path": people.name, "target": "y"}) | changes
    refused = run_here(store, folder, study_file(people.parent, mine))
    assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
    datasets = DatasetStore(store, Artifacts(f"file://{folder}"))
    assert datasets.list_datasets() == []
    assert violations(store, Artifacts(f"file://{folder}")) == []
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_file_that_changed_is_the_next_version_of_its_study_file(api: httpx.Client, people: Path) -> None:
    def submit(name: str) -> Any:
        dataset = {"kind": "file", "path": people.name, "target": "y"}
        submitted = run(api, "submit", study_file(people.parent, document(name, dataset=dataset)))
        assert submitted.returncode == 0, submitted.stderr
        return api.get(f"/v1/studies/{name}").json()["spec"]["dataset"]["version"]

    before = people.read_text()
    assert submit("first") == 1
    people.write_text(before + "70,Bonn,1\n")
    assert submit("second") == 2
    people.write_text(before)
    assert submit("third") == 1
    added = run(api, "datasets", "add", str(people), "--target", "y")
    assert "this is version 1 of 'people', whose name alone means version 2; say `version: 1`" in added.stderr
    listed = run(api, "datasets", "list", "people").stdout
    assert [line.split("\t")[0] for line in listed.splitlines()] == ["2", "1"]
    assert "\tversion 2\n" in run(api, "datasets", "list").stdout
    assert run(api, "datasets", "delete", "people", "--version", "2").returncode == 2
    api.delete("/v1/studies/second", params={"force": True}).raise_for_status()
    assert run(api, "datasets", "delete", "people", "--version", "2").returncode == 0
    assert uploads(api) == [("people", 1)]


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("my file (1).csv", "my file (1)"),
        ("gro\u0308ße.csv", "größe"),
        ("数据2024.csv", "数据2024"),
        ("-:.csv", "data-f51449"),
    ],
)
def test_a_dataset_is_named_after_its_file(api: httpx.Client, people: Path, file_name: str, name: str) -> None:
    file = people.rename(people.parent / file_name)
    added = run(api, "datasets", "add", str(file), "--target", "y")
    assert (added.returncode, added.stdout) == (0, f"{name}\n"), added.stderr
    dataset = {"kind": "file", "path": file_name, "target": "y"}
    submitted = run(api, "submit", study_file(people.parent, document(None, dataset=dataset)))
    assert submitted.stdout.startswith(f"{name}-mlp-"), submitted.stderr
    assert uploads(api) == [(name, 1)]
