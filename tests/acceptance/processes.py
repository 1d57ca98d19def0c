"""The real command in processes of its own, and what is left of them: found by a mark in their environment."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx

from tests.acceptance.polling import eventually

COMMAND = str(Path(sys.executable).with_name("regsweep"))
_MARK = "TEST_HOUSE"
_COVERAGE = "SLIPCOVER_COVERAGE_DIR"  # where the processes of a run leave what they executed
_MEASURING = Path(__file__).with_name("measuring")


class House:
    """A folder with a database and models, and the processes that work on it."""

    def __init__(self, folder: Path, lease_seconds: float = 30.0) -> None:
        self.folder = folder
        self.database_url = f"sqlite:///{folder / 'regsweep.db'}"
        self._mark = uuid4().hex
        self._started: list[subprocess.Popen[str]] = []
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("REGSWEEP_")} | {
            _MARK: self._mark,
            "REGSWEEP_DATABASE_URL": self.database_url,
            "REGSWEEP_ARTIFACTS_URL": f"file://{folder / 'artifacts'}",
            "REGSWEEP_LEASE_SECONDS": str(lease_seconds),
            "REGSWEEP_POLL_SECONDS": "0.5",
            "REGSWEEP_CACHE_FOLDER": str(Path(".pytest_cache", "regsweep").absolute()),
            "COLUMNS": "120",
        }
        measured = self.environment.pop(_COVERAGE, None)  # whoever reads it removes the folder at its end
        if measured is not None:
            self.environment |= {"TEST_MEASURED": measured, "PYTHONPATH": str(_MEASURING)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `regsweep …` in a session of its own."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [COMMAND, *arguments], env=self.environment, stdout=log, stderr=log, text=True, start_new_session=True
            )
        self._started.append(process)
        return process

    def log(self) -> str:
        """What the started commands have printed."""
        return (self.folder / "log").read_text()

    def run(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `regsweep …` to its end."""
        return subprocess.run(
            [COMMAND, *arguments],
            env=self.environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def pids(self, word: str = "") -> list[int]:
        """The processes of this house that are alive and whose command line holds the word."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                ours = f"{_MARK}={self._mark}".encode() in (process / "environ").read_bytes().split(b"\0")
                if ours and word.encode() in (process / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:  # ended meanwhile
                continue
        return sorted(found)

    def workers(self) -> list[int]:
        return self.pids("worker")

    def everybody(self) -> list[int]:
        return self.pids("-m") + self.pids(COMMAND)

    def close(self) -> None:
        """Nobody outlives a test, also one that failed."""
        for pid in self.everybody():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        eventually(lambda: not self.everybody(), 20)
        for process in self._started:
            process.wait(20)


class Server:
    """A running `regsweep serve`."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        self.api = httpx.Client(base_url=url, timeout=30)

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit status."""
        self.api.close()
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def serving(house: House, workers: int) -> Iterator[Server]:
    """A server that answers; ended with the block if it was not ended in it."""
    port = _free_port()
    process = house.start("serve", "--port", str(port), "--workers", str(workers))
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        eventually(lambda: _answers(server), 60)
        yield server
    finally:
        if process.poll() is None:
            server.end()
        server.api.close()


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, "the server has ended"
    try:
        return server.api.get("/healthz").is_success
    except httpx.TransportError:
        return False


def _free_port() -> int:
    """A port below those that the kernel gives to whoever asks for any: nobody takes it before the server does.

    A server of another test that took it would answer in this one's place.
    """
    while True:
        with socket.socket() as listener, suppress(OSError):
            port = secrets.choice(range(10_000, 30_000))
            listener.bind(("127.0.0.1", port))
            return port
