"""The audit: one line for each change, refusal and login, with who did it, and never a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from service import audit
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.service.commanding import run_at_terminal, run_command
from tests.service.conftest import served, settings_in
from tests.service.documents import document, study
from tests.service.working import working

DOCS = Path(__file__).parents[2] / "docs"
CSV = b"x,y\n" + b"".join(f"{n},{n % 2}\n".encode() for n in range(40))


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Every log line of this process, with what its context says."""
    audit._refusals.__init__()  # type: ignore[misc]  # of an earlier test
    level = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))  # whatever a command has set before
    with capture_logs([merge_contextvars]) as captured:
        yield captured
    structlog.configure(wrapper_class=level)


def events(lines: list[Any], **having: object) -> list[str]:
    found = [line for line in lines if line["event"] in audit.EVENTS]
    return [line["event"] for line in found if all(line.get(name) == value for name, value in having.items())]


@pytest.fixture
def key(store: Store) -> str:
    return KeyStore(store).create("alice", "admin").text


@pytest.fixture
def guarded(database: Path, lines: list[Any], store: Store, key: str) -> Iterator[httpx.Client]:
    """A service with a key, which the client sends; no line is there yet."""
    with served(settings_in(database.parent, store.url)) as client:
        lines.clear()
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


def test_every_change_over_rest_is_one_line_with_its_request_its_key_and_its_study(
    lines: list[Any], guarded: httpx.Client, key: str
) -> None:
    def sent(method: str, path: str, **more: Any) -> list[str]:
        lines.clear()
        answer = guarded.request(method, path, headers={"X-Request-ID": "r-1"}, **more)
        assert answer.is_success, answer.text
        assert all(line["request_id"] == "r-1" and line["key"] == key[4:16] for line in lines), lines
        return events(lines)

    path_of_study = "/v1/studies/iris"
    steps: list[tuple[str, str, dict[str, Any], list[str]]] = [
        ("POST", "/v1/studies", {"json": document(trials=3)}, ["study.submitted"]),
        ("POST", f"{path_of_study}/trials", {"json": {"params": {"dropout": 0.1}}}, ["trial.enqueued"]),
        ("PATCH", path_of_study, {"json": {"priority": 3}}, ["study.changed"]),
        ("POST", f"{path_of_study}/pause", {}, ["study.paused"]),
        ("POST", f"{path_of_study}/resume", {}, ["study.resumed"]),
        ("POST", f"{path_of_study}/comparison", {"json": {"techniques": ["none", "l1"]}}, ["comparison.begun"]),
        ("POST", f"{path_of_study}/comparison/stop", {}, ["comparison.ended", *["comparison.part_ended"] * 2]),
        ("DELETE", f"{path_of_study}/comparison", {}, ["comparison.deleted"]),
        ("POST", f"{path_of_study}/stop", {}, ["study.ended"]),
        ("DELETE", path_of_study, {}, ["study.deleted"]),
        ("POST", "/v1/datasets?target=y&name=rows&format=csv", {"content": CSV}, ["dataset.added"]),
        ("DELETE", "/v1/datasets/rows", {}, ["dataset.deleted"]),
        ("POST", "/v1/projects", {"json": {"name": "alpha"}}, ["project.created"]),
        ("PATCH", "/v1/projects/alpha", {"json": {"active_studies": 3}}, ["project.changed"]),
        ("DELETE", "/v1/projects/alpha", {}, ["project.deleted"]),
    ]
    for method, path, more, expected in steps:
        assert sent(method, path, **more) == expected, path
    assert not [line for line in lines if key in str(line)]


def test_a_worker_writes_the_end_of_a_study_and_what_is_rolled_back_is_no_line(
    lines: list[Any], guarded: httpx.Client, store: Store, tmp_path: Path
) -> None:
    guarded.post("/v1/studies", json=document(trials=2))
    assert guarded.post("/v1/studies", json=document(trials=2)).status_code == 409
    assert events(lines) == ["study.submitted"]
    with working(store, tmp_path / "artifacts") as worker:
        eventually(lambda: guarded.get("/v1/studies/iris").json()["state"] == "completed", 30)
    (end,) = [line for line in lines if line["event"] == "study.ended"]
    assert {name: end[name] for name in ("study", "study_id", "state", "worker")} == {
        "study": "iris", "study_id": 1, "state": "completed", "worker": worker.name,
    }  # fmt: skip
    guarded.post("/v1/studies/iris/trials/0/invalidate")
    (invalidated,) = [line for line in lines if line["event"] == "trial.invalidated"]
    assert (invalidated["study"], invalidated["trial"]) == ("iris", 0)


def test_a_refusal_is_a_line_that_names_the_key_and_no_secret(
    lines: list[Any], guarded: httpx.Client, store: Store
) -> None:
    reader = KeyStore(store).create("bob", "read").text
    lines.clear()
    tries: list[Callable[[], httpx.Response]] = [
        lambda: guarded.put("/api/studies/1/note", json={}),
        lambda: guarded.delete("/v1/studies/iris", headers={"Authorization": f"Bearer {reader}"}),
        lambda: guarded.get("/v1/studies?token=hidden", headers={"Authorization": f"Bearer rgs_{'0' * 12}_{'1' * 64}"}),
        lambda: guarded.get("/", headers={"Authorization": "Bearer rgs_wrong", "Accept": "text/html"}),
    ]
    assert [one().status_code for one in tries] == [403, 403, 401, 303]
    guarded.get("/healthz")  # a line is written behind its answer, and before the next
    refused = [line for line in lines if line["event"] == "request.refused"]
    assert [(line["status"], line.get("key")) for line in refused] == [(403, reader[4:16]), (401, None), (303, None)]
    (by_dashboard,) = [line for line in lines if line["event"] == "dashboard.refused"]
    assert (by_dashboard["path"], "REGSWEEP_DASHBOARD_WRITES" in by_dashboard["reason"]) == (
        "/api/studies/1/note",
        True,
    )
    assert "1" * 64 not in str(lines)
    assert "hidden" not in str(lines)


def test_logins_are_lines(lines: list[Any], guarded: httpx.Client, key: str) -> None:
    del guarded.headers["Authorization"]
    here = {"Origin": str(guarded.base_url)}
    guarded.post("/login", data={"key": "rgs_wrong"}, headers=here)
    guarded.post("/login", data={"key": key}, headers=here)
    guarded.post("/logout", headers=here)
    assert events(lines) == ["login.refused", "login.succeeded", "login.ended"]
    assert [line["key_id"] for line in lines if line["event"].startswith("login.") and "key_id" in line] == [
        key[4:16]
    ] * 2
    assert key not in str(lines)


def test_strangers_cannot_fill_the_disk_with_refusals(
    lines: list[Any], guarded: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    del guarded.headers["Authorization"]
    monkeypatch.setattr(audit, "_MAX_REFUSALS", 3)
    for _ in range(10):
        guarded.get("/v1/studies")
    guarded.get("/healthz")
    assert events(lines) == ["request.refused"] * 3
    monkeypatch.setattr(audit, "_WINDOW_SECONDS", 0.0)
    guarded.get("/v1/studies")
    guarded.get("/healthz")
    assert [line["left_out"] for line in lines if "left_out" in line] == [7]


def test_keys_that_commands_make_and_revoke_are_lines(database: Path, store: Store) -> None:
    url = store.url
    made = run_command("keys", "create", "carol", "--database-url", url, REGSWEEP_LOG_FORMAT="text")
    key_id = made.stdout[4:16]
    assert f"key_id={key_id}" in made.stderr
    assert "key.created" in made.stderr
    assert made.stdout.strip()[17:] not in made.stderr
    assert "key.revoked" in run_command("keys", "revoke", key_id, "--database-url", url).stderr
    assert "key.revoked" not in run_command("keys", "revoke", key_id, "--database-url", url).stderr


def test_commands_on_the_database_are_lines_that_name_their_user(database: Path, store: Store) -> None:
    at = "--database-url", store.url
    assert not run_command("projects", "create", "private", *at).stderr  # nobody else's, where there is no key
    assert "user=carol" in run_command("keys", "create", "me", *at, LOGNAME="carol").stderr
    done = run_command("projects", "create", "alpha", *at, LOGNAME="carol")
    assert ("project.created" in done.stderr, "user=carol" in done.stderr) == (True, True)
    store.create_study(study(trials=2))
    for command in (["pause"], ["delete", "--force"]):
        assert "user=carol" in run_command(*command, "iris", *at, LOGNAME="carol").stderr


def test_at_a_terminal_a_command_says_its_own_words_alone(store: Store) -> None:
    command = ("keys", "create", "--database-url", store.url)
    seen = run_at_terminal(*command, "dora")
    assert (seen.returncode, "rgs_" in seen.stdout, "key.created" in seen.stderr) == (0, True, False)
    kept = run_at_terminal(*command, "emil", REGSWEEP_LOG_FORMAT="json")
    assert "key.created" in kept.stderr


def test_an_event_that_is_in_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match="is no event of the audit"):
        audit.record("study.vanished")


@pytest.mark.parametrize("event", audit.EVENTS)
def test_every_event_is_documented(event: str) -> None:
    assert f"| `{event}` |" in (DOCS / "operation.md").read_text()
