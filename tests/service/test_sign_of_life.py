"""`regsweep worker --check` tells a worker that lives from one that does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from service.cli import main
from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.service.working import LEASE_SECONDS, working


def checked(heartbeat: Path | None, monkeypatch: pytest.MonkeyPatch) -> str | int | None:
    """The exit status of the command, or what it says with exit status 1."""
    monkeypatch.setattr("sys.argv", ["regsweep", "worker", "--check"])
    monkeypatch.setenv("REGSWEEP_LEASE_SECONDS", str(LEASE_SECONDS))
    if heartbeat is not None:
        monkeypatch.setenv("REGSWEEP_HEARTBEAT_PATH", str(heartbeat))
    with pytest.raises(SystemExit) as left:
        main.main()
    return left.value.code


def test_a_worker_that_lives_is_found_alive(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = tmp_path / "heartbeat"
    with working(store, folder, heartbeat_path=heartbeat):
        eventually(heartbeat.exists, 10)
        long_ago = time.time() - 100 * LEASE_SECONDS
        os.utime(heartbeat, (long_ago, long_ago))
        eventually(lambda: heartbeat.stat().st_mtime > long_ago, 10)  # it goes on beating
        assert checked(heartbeat, monkeypatch) in (None, 0)


def test_a_worker_that_has_fallen_silent_is_found_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    os.utime(heartbeat, (0, 0))
    assert "the last heartbeat was" in str(checked(heartbeat, monkeypatch))


def test_a_worker_that_has_not_begun_is_not_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No such file or directory" in str(checked(tmp_path / "heartbeat", monkeypatch))


def test_a_check_that_does_not_know_where_to_look_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "REGSWEEP_HEARTBEAT_PATH is not set" in str(checked(None, monkeypatch))
