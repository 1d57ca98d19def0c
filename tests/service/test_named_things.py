"""What has a name is found, downloaded and deleted by it, whatever the name holds; what has none gets one that fits."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from service.storage.store import Store
from studies.spec.name import is_name
from tests.service.commanding import regsweep
from tests.service.contenders import sweep_here
from tests.service.documents import document, study
from tests.studies.documents import NAMES

ROWS = "a,b,price ($)\n" + "".join(f"{i},{i % 7},{i % 3}.5\n" for i in range(60))
HARD = [
    'Größe "x" <img src=x onerror=alert(1)> & 100%',
    "数据 %2F 2024",
    "it's #1? [red]yes[red] {no} ~ $HOME `id`; *",
    '"""; import os',
    "%",
    "check",
]


def _upload(api: httpx.Client, **query: str) -> httpx.Response:
    return api.post("/v1/datasets", params=query, content=ROWS, headers={"Content-Type": "text/csv"})


def _file_name(answer: httpx.Response) -> str:
    """The name under which a browser saves an answer, see RFC 6266."""
    _, also, name = answer.headers["Content-Disposition"].partition("filename*=UTF-8''")
    return unquote(name) if also else answer.headers["Content-Disposition"].partition('filename="')[2].removesuffix('"')


def _names(store: Store, part: str) -> list[str]:
    return [study.name for study in store.studies(None, 50, None, part).items]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_a_study_is_read_changed_and_deleted_by_its_name(api: httpx.Client, store: Store, name: str) -> None:
    created = api.post("/v1/studies", json=document(name))
    assert (created.status_code, created.json()["name"]) == (201, name), created.text
    assert created.headers["Location"].isascii()
    assert api.get(created.headers["Location"]).json()["name"] == name
    for part in (name, name[1:3], "%", "_"):
        assert (_names(store, part) == [name]) == (part in name)
    assert store.dashboard_ids([name]).keys() == {name}
    path = f"/v1/studies/{quote(name, safe='')}"
    assert api.post(f"{path}/pause").json()["state"] == "paused"
    assert api.delete(f"{path}?force=true").status_code == 204
    assert api.get(path).status_code == 404


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_a_dataset_is_read_and_deleted_by_its_name_and_names_a_study(
    api: httpx.Client, store: Store, name: str
) -> None:
    created = _upload(api, name=name, target="price ($)")
    assert (created.status_code, created.json()["name"]) == (201, name), created.text
    path = created.headers["Location"]
    assert api.get(path).json()["name"] == name
    assert _file_name(api.get(f"{path}/file")) == f"{name}.csv"
    study = document(None, dataset={"kind": "uploaded", "name": name})
    named = api.post("/v1/studies", json=study).json()["name"]
    assert is_name(store.study(named).name)
    assert name in api.delete(path).json()["detail"]
    assert api.delete(f"/v1/studies/{quote(named, safe='')}?force=true").status_code == 204
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


@pytest.mark.parametrize("target", ["price ($)", "a/b", "größe", "..", "n" * 90, "\u202e", "x: l1"])
def test_a_dataset_without_a_name_gets_one_of_any_target_that_reads_it(shared_api: httpx.Client, target: str) -> None:
    rows = ROWS.replace("price ($)", target)
    created = shared_api.post(
        "/v1/datasets", params={"target": target}, content=rows.encode(), headers={"Content-Type": "text/csv"}
    )
    assert created.status_code == 201, created.text
    assert is_name(created.json()["name"])
    assert shared_api.get(created.headers["Location"]).json()["name"] == created.json()["name"]
    assert shared_api.delete(created.headers["Location"]).status_code == 204


def test_results_are_downloaded_under_the_name_of_their_study(api: httpx.Client, store: Store, tmp_path: Path) -> None:
    for name in HARD:
        path = f"/v1/studies/{quote(name, safe='')}"
        api.post("/v1/studies", json=document(name, trials=1)).raise_for_status()
        sweep_here(store, tmp_path / "artifacts", name, "worker")
        assert _file_name(api.get(f"{path}/trials.csv")) == f"{name}.csv"
        assert _file_name(api.get(f"{path}/model")).startswith(f"{name} ")
        assert name in str(ast.get_docstring(ast.parse(api.get(f"{path}/snippet").text)))
        for page in (f"{path}/report", "/", path.removeprefix("/v1"), f"{path.removeprefix('/v1')}/trials/0"):
            answer = api.get(page)
            assert answer.status_code == 200
            assert "<img src=x" not in answer.text


def test_commands_name_a_study_as_it_is_called_and_quote_it_for_the_shell(api: httpx.Client, store: Store) -> None:
    for name in HARD:
        api.post("/v1/studies", json=document(name)).raise_for_status()
        shown = regsweep(str(api.base_url), "show", name, columns=200)
        assert (shown.returncode, shown.stdout.partition(" is queued")[0]) == (0, name), shown.stderr
    listed = regsweep(str(api.base_url), "studies", columns=200).stdout
    assert all(name in listed for name in HARD)
    assert len(store.studies(None, 100, None).items) == len(HARD)


@pytest.mark.parametrize("name", [".", "..", "", "a/b", "a\udcffb", "a\nb"])
def test_a_command_that_names_what_nothing_can_be_called_is_told_so(shared_api: httpx.Client, name: str) -> None:
    for command, kind in ((("show", name), "study"), (("datasets", "list", name), "dataset")):
        told = regsweep(str(shared_api.base_url), *command)
        assert (told.returncode, told.stdout) == (2, "")
        assert told.stderr.startswith(f"regsweep: there is no {kind} named '{name[:1]}")


def test_studies_are_found_by_a_part_of_their_name_in_any_case_and_form(store: Store, database: Path) -> None:
    assert database.exists()  # of PostgreSQL it is its locale that says which letters are alike
    store.create_study(study("Größe ΑΣ"))
    for part in ("GRÖ", "größe", "αΣ", "σ", "GRO\u0308"):
        assert _names(store, part) == ["Größe ΑΣ"], part
    assert store.study("Gro\u0308ße ΑΣ").name == "Größe ΑΣ"


@pytest.mark.parametrize("dataset", ["\ud800", "\x00", "a\u202e"])
def test_a_dataset_that_nothing_can_be_called_is_not_found(shared_api: httpx.Client, dataset: str) -> None:
    for wanted in (
        document(dataset={"kind": "uploaded", "name": dataset}),
        document(warm_start={"study": dataset}),
        document(dataset),
    ):
        answer = shared_api.post(
            "/v1/studies", content=json.dumps(wanted), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"]
