"""Projects: what belongs to one is not there for a key that is limited to others, whatever way it asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

import regsweep
from service.api.app import create_app
from service.errors import ServiceError
from service.scopes import SCOPES
from service.settings import Settings
from service.storage import workers
from service.storage.comparison_store import ComparisonStore
from service.storage.keys import KeyStore
from service.storage.projects import ProjectStore
from service.storage.states import Activity
from service.storage.store import Store
from studies.spec.comparison import ComparisonSpec
from tests.service.commanding import run_command
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.ledgers import claimed, ledger
from tests.service.test_keys import bearer, leaves

CSV = b"a,b,y\n" + b"".join(b"%d,%d,%d\n" % (row, row * row % 7, row % 2) for row in range(40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def settings(folder: Path, request: pytest.FixtureRequest) -> Settings:
    """Of one service for each database: what a key sees is worked out in SQL."""
    if request.param == "SQLite":
        return settings_in(folder)
    return settings_in(folder, request.getfixturevalue("postgresql_template").url("projects", "prepared"))


@pytest.fixture(scope="module")
def opened(settings: Settings) -> Iterator[Store]:
    """A store with two projects beside `default`."""
    store = Store(settings.database_url)
    for name in ("alpha", "beta"):
        ProjectStore(store).create(name, {})
    yield store
    store.close()


@pytest.fixture(scope="module")
def keys(opened: Store) -> Mapping[str, dict[str, str]]:
    """The header of a key of each project, which has every scope, and of one of all projects."""
    limits: dict[str, list[str] | None] = {"alpha": ["alpha"], "beta": ["beta"], "both": ["alpha", "beta"], "all": None}
    return {name: bearer(KeyStore(opened).create(name, "admin", projects=of).text) for name, of in limits.items()}


@pytest.fixture(scope="module")
def api(folder: Path, settings: Settings, opened: Store, keys: Mapping[str, dict[str, str]]) -> Iterator[httpx.Client]:
    """A service on which the project alpha has a dataset and a compared study of it, with a trial that runs."""
    with served(settings) as client:
        upload = {"name": "rows", "target": "y", "format": "csv"}
        assert client.post("/v1/datasets", params=upload, content=CSV, headers=keys["alpha"]).status_code == 201
        of_rows = document("secret", dataset={"kind": "uploaded", "name": "rows"})
        assert client.post("/v1/studies", json=of_rows, headers=keys["alpha"]).status_code == 201
        ComparisonStore(opened).begin("secret", ComparisonSpec(techniques=("none", "l1"), trials_per_technique=1))
        claimed(ledger(opened, folder, "secret", "worker 1"))
        with opened.writing() as session:
            workers.show(session, "worker 1", Activity.TRAINING, opened.study("secret").id, 60, None)
        yield client


ROUTES = sorted(
    (method, path)
    for method, path in set(leaves(create_app(settings_in(Path("nowhere"))).routes))
    if "{name}" in path and "/assets/" not in path
)
#: Bodies that would be accepted.
BODIES: dict[str, Any] = {
    "PATCH /v1/studies/{name}": {"priority": 1},
    "POST /v1/studies/{name}/trials": {"params": {}},
    "PATCH /v1/projects/{name}": {"active_studies": 1},
}
#: Parameters that a request must have.
PARAMETERS: dict[str, Any] = {"GET /v1/studies/{name}/curves": {"number": 0}}
NAMES = {"/v1/studies": "secret", "/studies": "secret", "/v1/datasets": "rows", "/v1/projects": "alpha"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_what_is_of_another_project_is_answered_as_what_does_not_exist(
    api: httpx.Client, keys: Mapping[str, dict[str, str]], method: str, path: str
) -> None:
    name = next(name for prefix, name in NAMES.items() if path.startswith(prefix))
    answers = []
    for one in (name, "nothing"):
        filled = path.replace("{name}", one).replace("{number}", "0")
        request = {"json": BODIES[f"{method} {path}"]} if f"{method} {path}" in BODIES else {}
        if path.endswith("/predict") and method == "POST":
            request = {"content": CSV, "headers": {"Content-Type": "text/csv"}}
        headers = {**keys["beta"], "X-Request-ID": "1", **request.pop("headers", {})}
        parameters = PARAMETERS.get(f"{method} {path}")
        with api.stream(method, filled, headers=headers, params=parameters, **request) as answer:
            answers.append((answer.status_code, answer.read().decode() if answer.status_code != 200 else ""))
    (status, text), missing = answers
    assert missing[0] == 404, missing
    assert (status, text.replace(name, "nothing")) == missing


def test_its_own_key_finds_it(api: httpx.Client, keys: Mapping[str, dict[str, str]]) -> None:
    for key in ("alpha", "both", "all"):
        study = api.get("/v1/studies/secret", headers=keys[key]).json()
        assert (study["project"], study["created_by"]) == ("alpha", "alpha")
        assert api.get("/v1/studies/secret: l1", headers=keys[key]).json()["project"] == "alpha"
        dataset = api.get("/v1/datasets/rows", headers=keys[key]).json()
        assert (dataset["project"], dataset["created_by"]) == ("alpha", "alpha")
    for part in ("secret: l1", "secret: none"):
        assert api.get(f"/v1/studies/{part}", headers=keys["beta"]).status_code == 404


@pytest.mark.parametrize("path", ["/v1/studies", "/v1/datasets", "/v1/workers", "/v1/projects", "/", "/new"])
def test_no_list_names_it(api: httpx.Client, keys: Mapping[str, dict[str, str]], path: str) -> None:
    words = re.compile(r"\b(secret|rows\b(?!\W+(of|×|and|:))|alpha)")
    named = re.compile(r"secret|uploaded/rows|\"rows\", *\"project\"|\"name\":\"rows\"|alpha")
    assert words.search(api.get(path, headers=keys["alpha"]).text)
    assert not named.search(api.get(path, headers=keys["beta"]).text)


def test_a_worker_has_the_lanes_of_the_studies_that_a_key_sees(
    api: httpx.Client, keys: Mapping[str, dict[str, str]]
) -> None:
    seen = {key: api.get("/v1/workers", headers=keys[key]).json()["workers"] for key in ("alpha", "beta", "all")}
    assert {key: [(one["study"], one["lanes"]) for one in workers] for key, workers in seen.items()} == {
        "alpha": [("secret", 1)],
        "beta": [(None, 0)],
        "all": [("secret", 1)],
    }


def test_a_sweep_in_one_call_names_its_project(api: httpx.Client, keys: Mapping[str, dict[str, str]]) -> None:
    key = keys["both"]["Authorization"].removeprefix("Bearer ")
    for project, said in (("gamma", "no project named 'gamma'"), (None, "name one of this key's: alpha, beta")):
        with pytest.raises(ServiceError, match=said):
            regsweep.sweep(
                None,
                {"a": [1, 2] * 20, "y": [0, 1] * 20},
                target="y",
                server=str(api.base_url),
                key=key,
                project=project,
            )


def test_a_list_can_be_of_one_project_and_a_cursor_is_of_its_list(
    api: httpx.Client, keys: Mapping[str, dict[str, str]]
) -> None:
    for name in ("b1", "b2"):
        made = api.post("/v1/studies", params={"project": "beta"}, json=document(name), headers=keys["all"])
        assert made.json()["project"] == "beta"
    page = api.get("/v1/studies", params={"project": "beta", "limit": 1}, headers=keys["all"]).json()
    assert [study["name"] for study in page["items"]] == ["b2"]
    following = {"project": "beta", "cursor": page["next"]}
    rest = api.get("/v1/studies", params=following, headers=keys["all"]).json()
    assert [study["name"] for study in rest["items"]] == ["b1"]
    of_all = api.get("/v1/studies", params={"cursor": page["next"]}, headers=keys["all"])
    assert (of_all.status_code, of_all.json()["title"]) == (422, "Cursor of another listing")
    for path in ("/v1/studies", "/v1/datasets"):
        other = api.get(path, params={"project": "alpha"}, headers=keys["beta"])
        assert (other.status_code, other.json()["detail"]) == (404, "there is no project named 'alpha'")


def test_a_name_in_use_elsewhere_is_a_conflict_that_says_no_more(
    api: httpx.Client, keys: Mapping[str, dict[str, str]]
) -> None:
    refused = api.post("/v1/studies", json=document("secret", trials=9), headers=keys["beta"])
    assert (refused.status_code, refused.json()["errors"]) == (409, [])
    assert "delete" not in refused.json()["detail"]
    assert api.post("/v1/studies", json=document("secret", trials=9), headers=keys["all"]).json()["errors"]
    checked = api.post("/v1/studies/check", json=document("secret", trials=9), headers=keys["beta"]).json()
    assert (checked["name_is_free"], "differs" in checked["name_conflict"]) == (False, False)
    upload = {"name": "rows", "target": "y", "format": "csv"}
    for content in (CSV, CSV + b"1,1,1\n"):
        refused = api.post("/v1/datasets", params=upload, content=content, headers=keys["beta"])
        assert (refused.status_code, "alpha" in refused.text) == (409, False)


def test_the_same_bytes_under_another_name_stay_when_they_are_deleted_there(
    api: httpx.Client, keys: Mapping[str, dict[str, str]], folder: Path
) -> None:
    upload = {"name": "copy", "target": "y", "format": "csv"}
    assert api.post("/v1/datasets", params=upload, content=CSV, headers=keys["beta"]).json()["project"] == "beta"
    assert api.delete("/v1/datasets/copy", headers=keys["beta"]).status_code == 204
    assert api.get("/v1/datasets/rows/file", headers=keys["alpha"]).content == CSV


def test_a_study_names_no_dataset_and_no_study_of_another_project(
    api: httpx.Client, keys: Mapping[str, dict[str, str]]
) -> None:
    of_rows = document("thief", dataset={"kind": "uploaded", "name": "rows"})
    for path in ("/v1/studies", "/v1/studies/check"):
        refused = api.post(path, json=of_rows, headers=keys["beta"]).json()
        missing = api.post(
            path, json={**of_rows, "dataset": {"kind": "uploaded", "name": "none"}}, headers=keys["beta"]
        )
        assert [one["message"].replace("rows", "none") for one in refused["errors"]] == [
            one["message"] for one in missing.json()["errors"]
        ]
    elsewhere = api.post("/v1/studies", params={"project": "beta"}, json=of_rows, headers=keys["all"])
    assert (elsewhere.status_code, "submit this one with project=alpha" in elsewhere.text) == (422, True)
    warm = document("warm", sampler={"name": "tpe"}, warm_start={"study": "secret"})
    refused = api.post("/v1/studies", json=warm, headers=keys["beta"])
    assert refused.json()["errors"] == [{"field": "warm_start.study", "message": "there is no study named 'secret'"}]


def test_a_key_of_several_projects_says_which(api: httpx.Client, keys: Mapping[str, dict[str, str]]) -> None:
    unsaid = api.post("/v1/studies", json=document("several"), headers=keys["both"])
    assert (unsaid.status_code, unsaid.json()["detail"]) == (400, "project: name one of this key's: alpha, beta")
    for project in ("default", "nothing", "a\0b"):
        refused = api.post("/v1/studies", params={"project": project}, json=document("x"), headers=keys["both"])
        assert refused.status_code == 404
    said = api.post("/v1/studies", params={"project": "beta"}, json=document("several"), headers=keys["both"])
    assert said.json()["project"] == "beta"


def test_the_dashboard_shows_every_project_and_so_is_closed_to_a_limited_key(
    api: httpx.Client, keys: Mapping[str, dict[str, str]]
) -> None:
    for path in ("/dashboard/", "/api/studies", "/api/studies/1", "/csv/1", "/artifacts/1/1", "/static/x"):
        refused = api.get(path, headers=keys["alpha"])
        assert (refused.status_code, "this key is limited to some" in refused.text) == (403, True), path
    assert api.get("/api/studies", headers=keys["all"]).is_success
    page = api.get("/studies/secret", headers=keys["alpha"]).text
    assert "/dashboard" not in page
    assert "/dashboard/studies/" in api.get("/studies/secret", headers=keys["all"]).text


def test_projects_are_made_changed_and_deleted_by_keys_of_all(
    api: httpx.Client, keys: Mapping[str, dict[str, str]], opened: Store
) -> None:
    assert api.post("/v1/projects", json={"name": "gamma"}, headers=keys["alpha"]).status_code == 403
    assert api.patch("/v1/projects/alpha", json={"active_studies": 9}, headers=keys["alpha"]).status_code == 403
    made = api.post("/v1/projects", json={"name": "gamma", "stored_bytes": 5}, headers=keys["all"])
    assert (made.status_code, made.headers["location"]) == (201, "/v1/projects/gamma")
    assert made.json()["stored_bytes"] == {"limit": 5, "own": True, "used": 0}
    for name in ("gamma", "Gamma"):
        refused = api.post("/v1/projects", json={"name": name}, headers=keys["all"])
        assert (refused.status_code, refused.json()["detail"]) == (
            409,
            "a project named 'gamma' exists; choose another name",
        )
    page = api.get("/v1/projects?limit=2", headers=keys["all"]).json()
    rest = api.get("/v1/projects", params={"limit": 2, "cursor": page["next"]}, headers=keys["all"]).json()
    named = [[one["name"] for one in each["items"]] for each in (page, rest)]
    assert (named, rest["next"]) == ([["alpha", "beta"], ["default", "gamma"]], None)
    assert api.get("/v1/projects", params={"cursor": "a/b"}, headers=keys["all"]).status_code == 400
    changed = api.patch("/v1/projects/gamma", json={"stored_bytes": None}, headers=keys["all"]).json()
    assert changed["stored_bytes"] == {"limit": None, "own": False, "used": 0}
    key = KeyStore(opened).create("of gamma", "read", projects=["gamma"])
    kept = api.delete("/v1/projects/gamma", headers=keys["all"])
    assert (kept.status_code, "'of gamma'" in kept.json()["detail"]) == (409, True)
    KeyStore(opened).revoke(key.id)
    assert api.delete("/v1/projects/gamma", headers=keys["all"]).status_code == 204
    for name, reason in (("alpha", "studies (1) or datasets (1)"), ("default", "it stays")):
        refused = api.delete(f"/v1/projects/{name}", headers=keys["all"])
        assert (refused.status_code, reason in refused.json()["detail"]) == (409, True)


def test_a_limited_admin_deletes_what_is_in_its_project(
    api: httpx.Client, keys: Mapping[str, dict[str, str]], opened: Store
) -> None:
    submitter = bearer(KeyStore(opened).create("submitter", "submit", projects=["beta"]).text)
    assert api.post("/v1/studies", json=document("mine"), headers=submitter).status_code == 201
    assert api.delete("/v1/studies/mine?force=true", headers=submitter).status_code == 403
    assert api.delete("/v1/studies/mine?force=true", headers=keys["beta"]).status_code == 204


def test_an_idempotency_key_belongs_to_its_api_key(api: httpx.Client, keys: Mapping[str, dict[str, str]]) -> None:
    once = {"Idempotency-Key": "the-same"}
    first = api.post("/v1/studies", json=document("first"), headers=keys["alpha"] | once)
    second = api.post("/v1/studies", json=document("second"), headers=keys["beta"] | once)
    assert (first.json()["name"], second.json()["name"]) == ("first", "second")
    for key, answer in (("alpha", first), ("beta", second)):
        again = api.post("/v1/studies", json=document(answer.json()["name"]), headers=keys[key] | once)
        assert (again.headers["idempotent-replayed"], again.content) == ("true", answer.content)
    reused = api.post("/v1/studies", json=document("second"), headers=keys["alpha"] | once)
    assert (reused.status_code, reused.json()["title"]) == (422, "Key reused")


def test_who_did_what_is_kept_and_shown(
    api: httpx.Client, keys: Mapping[str, dict[str, str]], settings: Settings
) -> None:
    assert api.post("/v1/studies", json=document("steered"), headers=keys["alpha"]).status_code == 201
    path = "/v1/studies/steered"
    for key, method, action, body in (
        ("all", "POST", "/pause", None),
        ("all", "POST", "/pause", None),  # which changes nothing
        ("alpha", "POST", "/resume", None),
        ("alpha", "PATCH", "", {"priority": 2, "budget": {"trials": 6}}),
        ("alpha", "POST", "/trials", {"params": {"dropout": 0.25}}),
        ("both", "POST", "/comparison", {"techniques": ["none", "l1"], "trials_per_technique": 1}),
        ("all", "POST", "/comparison/stop", None),
        ("all", "POST", "/stop", None),
    ):
        answer = api.request(method, f"{path}{action}", json=body, headers=keys[key])
        assert answer.is_success, answer.text
    place = ("--database-url", settings.database_url, "--artifacts-url", settings.artifacts_url)
    assert run_command("extend", "steered", "--trials", "7", *place, LOGNAME="grace").returncode == 0
    page = api.get(f"{path}/changes", params={"limit": 2}, headers=keys["alpha"]).json()
    rest = api.get(f"{path}/changes", params={"cursor": page["next"]}, headers=keys["alpha"]).json()
    assert [(one["by"], one["what"], one["details"]) for one in page["items"] + rest["items"]] == [
        ("grace", "extended", "to 7 trials"),
        ("all", "stopped", ""),
        ("all", "comparison stopped", ""),
        ("both", "comparison begun", ""),
        ("alpha", "trial enqueued", '{"params":{"dropout":0.25}}'),
        ("alpha", "priority set", "to 2"),
        ("alpha", "extended", "to 6 trials"),
        ("alpha", "resumed", ""),
        ("all", "paused", ""),
        ("alpha", "submitted", ""),
    ]
    assert rest["next"] is None
    assert api.get(f"{path}/comparison", headers=keys["alpha"]).json()["created_by"] == "both"
    assert "grace" in api.get("/studies/steered", headers=keys["alpha"]).text
    shown = run_command("show", "steered", *place).stdout
    assert "grace: extended to 7 trials" in shown


def test_projects_on_the_command_line(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    place = ("--database-url", settings.database_url)

    def said(*arguments: str) -> str:
        completed = run_command(*arguments, *place, COLUMNS="120")
        assert completed.returncode == 0, completed.stderr
        return completed.stdout

    Store(settings.database_url).close()
    assert said("projects", "create", "alpha", "--active-studies", "3").strip() == "alpha"
    said("projects", "set", "alpha", "--active-studies", "none", "--stored-bytes", "1000")
    listed = said("projects", "list")
    assert re.search(r"alpha +0 +0 +0 +0 +0 of 1,000", listed), listed
    said("keys", "create", "ada", "--project", "alpha")
    assert "\tada\tread\talpha\t" in said("keys", "list")
    for arguments, words in (
        (("projects", "delete", "alpha"), "is that of the keys 'ada'; revoke those first"),
        (("projects", "set", "alpha", "--active-studies", "-1"), "--active-studies: must be a whole number"),
        (("projects", "create", "a/b"), "name: 1 to 100 printable characters"),
        (("keys", "create", "bob", "--project", "nothing"), "there is no project named 'nothing'"),
    ):
        refused = run_command(*arguments, *place)
        assert (refused.returncode, words in refused.stderr) == (2, True), refused.stderr


def test_a_scope_has_no_more_of_a_project_than_of_all(
    api: httpx.Client, opened: Store, keys: Mapping[str, dict[str, str]]
) -> None:
    made = {scope: KeyStore(opened).create(scope, scope, projects=["alpha"]) for scope in SCOPES}
    answers = {scope: api.post("/v1/studies/secret/pause", headers=bearer(key.text)) for scope, key in made.items()}
    assert [answer.status_code for answer in answers.values()] == [403, 200, 200]
