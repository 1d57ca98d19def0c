"""/readyz: what each check looks at, that nobody learns a secret there, and that it is bounded."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.lazy_store import LazyStore
from service.api.readiness import Readiness
from service.storage.artifacts import Artifacts
from service.storage.keys import KeyStore
from service.storage.states import Activity
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from tests.service.conftest import served, settings_in


@contextmanager
def readiness(url: str, artifacts_url: str) -> Iterator[Readiness]:
    lazy_store = LazyStore(url)
    checks = Readiness(lazy_store, Artifacts(artifacts_url), 30.0)
    try:
        yield checks
    finally:
        checks.close()
        lazy_store.close()


def statuses(answer: httpx.Response) -> dict[str, str]:
    return {check["name"]: check["status"] for check in answer.json()["checks"]}


def test_a_server_is_ready_once_a_worker_is_alive(api: httpx.Client, store: Store) -> None:
    alone = api.get("/readyz", params={"exclude": "workers"})
    assert alone.status_code == 200
    assert statuses(alone) == {"database": "ok", "schema": "ok", "artifacts": "ok"}
    without = api.get("/readyz")
    assert (without.status_code, without.json()["status"]) == (503, "not ready")
    assert statuses(without)["workers"] == "failed"


def test_the_folder_that_is_made_to_look_is_its_owners_alone(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        assert api.get("/readyz", params={"exclude": "workers"}).status_code == 200
    assert (tmp_path / "artifacts").stat().st_mode & 0o777 == 0o700


def test_the_age_of_workers_is_told(store: Store, artifacts_url: str) -> None:
    WorkerStore(store).show_worker("a", Activity.IDLE, None, 30.0)
    WorkerStore(store).show_worker("b", Activity.WAITING_FOR_NODE, None, 30.0)  # it has no process
    with readiness(store.url, artifacts_url) as checks:
        found = checks.check()
    assert {name: check.is_ok for name, check in found.items()} == dict.fromkeys(found, True)
    assert re.fullmatch(r"1 alive; its last sign of life was \d seconds ago", found["workers"].detail)


def test_only_who_may_read_sees_what_is_wrong(store: Store, tmp_path: Path) -> None:
    key = KeyStore(store).create("someone", "read").text
    with served(settings_in(tmp_path, store.url)) as api:
        assert {check["detail"] for check in api.get("/readyz").json()["checks"]} == {None}
        seen = api.get("/readyz", headers={"Authorization": f"Bearer {key}"}).json()["checks"]
    assert {check["name"]: check["detail"] for check in seen}["workers"] == "no worker is alive"


def test_a_database_that_cannot_be_written_and_one_of_another_schema_are_not_ready(
    database: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(statement: str) -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(statement)
            connection.commit()

    monkeypatch.setattr("service.api.readiness._FRESH_SECONDS", 0.0)
    with readiness(store.url, f"file://{database.parent}") as checks:
        assert checks.check()["database"].is_ok
        run("CREATE TRIGGER full BEFORE UPDATE ON regsweep_version BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        full = checks.check()
        assert (full["database"].detail, full["schema"].is_ok) == ("disk full", True)
        run("DROP TRIGGER full")
        run("UPDATE regsweep_version SET version_num = '9999'")  # by a newer server beside this one
        newer = checks.check()
    assert (newer["database"].is_ok, newer["schema"].is_ok) == (True, False)


def test_artifacts_that_cannot_be_reached_are_not_ready(store: Store, tmp_path: Path, s3: Any) -> None:
    tmp_path.joinpath("file").write_text("no folder")
    for url in (f"file://{tmp_path}/file/artifacts", "s3://no-such-bucket/artifacts"):
        with readiness(store.url, url) as checks:
            assert not checks.check()["artifacts"].is_ok, url


def test_a_folder_that_has_none_of_the_files_that_were_kept_is_not_ready(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.readiness._FRESH_SECONDS", 0.0)
    with served(settings_in(tmp_path, store.url)) as api:

        def artifacts() -> Any:
            return api.get("/readyz").json()["checks"][2]

        for name in ("lost", "remains"):
            upload = {"name": name, "target": "y", "format": "csv"}
            content = f"x,y\n{'1,0 2,1 '.replace(' ', chr(10)) * 20}9,{len(name) % 2}\n{len(name)},1\n"
            api.post("/v1/datasets", params=upload, content=content).raise_for_status()
            assert artifacts()["status"] == "ok"
        files = sorted((tmp_path / "artifacts" / "datasets").iterdir())
        files[0].unlink()
        assert artifacts()["status"] == "ok"
        (tmp_path / "artifacts").rename(tmp_path / "mounted")
        assert artifacts() == {
            "name": "artifacts",
            "status": "failed",
            "detail": "none of the files that the database names is there; see whether REGSWEEP_ARTIFACTS_URL names "
            "the right place, and whether it is mounted",
        }
        shutil.rmtree(tmp_path / "artifacts")
        (tmp_path / "mounted").rename(tmp_path / "artifacts")
        assert artifacts()["status"] == "ok"
        for name in ("lost", "remains"):
            api.delete(f"/v1/datasets/{name}").raise_for_status()
        assert artifacts()["status"] == "ok"


def test_a_check_that_hangs_fails_and_is_not_begun_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, released = [], threading.Event()

    def hang(_: Artifacts) -> None:
        begun.append(1)
        released.wait(60)

    monkeypatch.setattr(Artifacts, "check_reachable", hang)
    monkeypatch.setattr("service.api.readiness._BOUND_SECONDS", 0.1)
    monkeypatch.setattr("service.api.readiness._FRESH_SECONDS", 0.0)
    with readiness(store.url, f"file://{tmp_path}") as checks:
        for _ in range(3):
            found = checks.check()["artifacts"]
            assert (found.is_ok, found.detail) == (False, "no answer within 0.1 seconds")
        released.set()
    assert begun == [1]
