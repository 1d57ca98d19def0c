"""`regsweep worker --check` tells a worker that lives from one that does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

from service.storage.store import Store
from tests.acceptance.polling import eventually
from tests.service.commanding import Completed, run_command
from tests.service.working import LEASE_SECONDS, working


def check(heartbeat: Path | None) -> Completed:
    """Run the command on the file that a worker would touch."""
    variables = {"REGSWEEP_LEASE_SECONDS": str(LEASE_SECONDS)}
    if heartbeat is not None:
        variables["REGSWEEP_HEARTBEAT_PATH"] = str(heartbeat)
    return run_command("worker", "--check", **variables)


def test_a_worker_that_lives_is_found_alive(store: Store, folder: Path, tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    with working(store, folder, heartbeat_path=heartbeat):
        eventually(heartbeat.exists, 10)
        long_ago = time.time() - 100 * LEASE_SECONDS
        os.utime(heartbeat, (long_ago, long_ago))
        eventually(lambda: heartbeat.stat().st_mtime > long_ago, 10)  # it goes on beating
        assert check(heartbeat).returncode == 0


def test_a_worker_that_has_fallen_silent_is_found_so(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    os.utime(heartbeat, (0, 0))
    assert "the last heartbeat was" in check(heartbeat).stderr


def test_a_worker_that_has_not_begun_is_not_alive(tmp_path: Path) -> None:
    assert "No such file or directory" in check(tmp_path / "heartbeat").stderr


def test_a_check_that_does_not_know_where_to_look_says_so() -> None:
    assert "REGSWEEP_HEARTBEAT_PATH is not set" in check(None).stderr
