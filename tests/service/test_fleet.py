"""A fleet restarts a worker that lived, and gives up one that never becomes ready.

A worker process here is Python with a `sitecustomize` that takes the place of `regsweep worker`.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from service.cli.local_run import run_study
from service.errors import WorkersFailedError
from service.settings import Settings
from service.storage.store import Store
from service.worker import fleet
from service.worker.fleet import Fleet
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.documents import document

DIES = "sys.stderr.write('no room here\\n')\nsys.stderr.flush()\nos._exit(3)"
#: Dies twice, then is ready and dies, and again, for ever: never three failed starts in a row.
DIES_TWICE = """
log = Path(os.environ["STARTS"])
starts = log.read_text() if log.exists() else ""
log.write_text(starts + ".")
if len(starts) % 3 == 2:
    from service.worker.process import announce_ready

    announce_ready()
os._exit(3)
"""

#: Waits for the fleet's call, as an idle worker does.
WRITES_WHEN_WOKEN = """
from service.worker.process import announce_ready

folder = Path(__file__).parent
announce_ready()
(folder / "ready").touch()
if os.read(0, 1):
    (folder / "woken").touch()
os._exit(0)
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(fleet, "_RESTART_SECONDS", 0.01)
    return settings_in(tmp_path).model_copy(update={"workers": 1})


def worker_is(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each worker process that is started run this code."""
    head = 'import os, sys\nfrom pathlib import Path\nif "worker" in sys.orig_argv:\n'
    body = "".join(f"    {line}\n" for line in code.splitlines())
    (folder / "sitecustomize.py").write_text(head + body)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")


@contextmanager
def running(settings: Settings) -> Iterator[Fleet]:
    started = Fleet(settings, settings.workers)
    started.start()
    try:
        yield started
    finally:
        started.stop()


def failed(started: Fleet) -> WorkersFailedError | None:
    try:
        started.check()
    except WorkersFailedError as error:
        return error
    return None


def test_a_worker_that_never_becomes_ready_is_given_up_with_its_last_words(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker_is(DIES, tmp_path, monkeypatch)
    with capture_logs() as logs, running(settings) as started:
        eventually(lambda: failed(started), 30)
    expected = (
        "no worker can be started: 5 in a row died before they were ready, the last with status 3:\n  no room here"
    )
    assert str(failed(started)) == expected
    waits = [line["after_seconds"] for line in logs if "after_seconds" in line]
    assert waits == [0.01, 0.02, 0.04, 0.08]
    assert [line["event"] for line in logs][-1] == "no worker is left: studies wait until regsweep is started again"


def test_a_worker_that_cannot_be_started_is_tried_again_and_then_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with capture_logs() as logs, running(settings) as started:
        eventually(lambda: failed(started), 30)
    assert "5 in a row died before they were ready, the last with OSError: [Errno 12] Cannot" in str(failed(started))
    assert sum(line["event"] == "looking after a worker failed" for line in logs) == 5


def test_a_worker_that_was_ready_is_started_again_for_ever(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "_MAX_FAILED_STARTS", 3)
    starts = tmp_path / "starts"
    monkeypatch.setenv("STARTS", str(starts))
    worker_is(DIES_TWICE, tmp_path, monkeypatch)
    with running(settings) as started:
        eventually(lambda: starts.exists() and len(starts.read_text()) > 6, 60)
        assert failed(started) is None


def test_a_server_whose_workers_never_become_ready_answers(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "_MAX_FAILED_STARTS", 2)
    worker_is(DIES, tmp_path, monkeypatch)
    started = Fleet(settings, 1)
    with served(settings, started) as client:
        eventually(lambda: failed(started), 30)
        assert client.get("/healthz").is_success
        assert client.get("/v1/studies").json()["items"] == []


def test_a_study_that_comes_wakes_the_workers(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker_is(WRITES_WHEN_WOKEN, tmp_path, monkeypatch)
    with served(settings, Fleet(settings, 1)) as client:
        eventually((tmp_path / "ready").exists, 30)
        assert client.get("/v1/studies").is_success
        assert not (tmp_path / "woken").exists()
        assert client.post("/v1/studies", json=document("woken")).status_code == 201
        eventually((tmp_path / "woken").exists, 30)


def test_a_run_whose_workers_never_become_ready_ends_with_their_last_words_and_keeps_the_study(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fleet, "_MAX_FAILED_STARTS", 2)
    worker_is(DIES, tmp_path, monkeypatch)
    given: dict[str, Any] = document("kept", trials=2)
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(given))
    assert run_study(given, settings, file) == 1
    said = capsys.readouterr().err
    assert "regsweep: no worker can be started: 2 in a row died before they were ready, the last with status 3:" in said
    assert "  no room here\n" in said
    assert "regsweep: 'kept' is kept; the same command goes on with it" in said
    store = Store(settings.database_url)
    assert store.study("kept").state == "queued"
    store.close()
