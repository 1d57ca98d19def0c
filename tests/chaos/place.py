"""A database, a folder of artifacts and the processes on them, all of which may be made to fail."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from tests.acceptance.polling import eventually
from tests.chaos import stub
from tests.service.documents import document

LEASE_SECONDS = 2.0


class Place:
    """Everything of one scenario; what it started is killed with it."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.log.touch()
        self.settings = Settings(
            database_url=database_url,
            artifacts_url=f"file://{folder / 'artifacts'}",
            lease_seconds=LEASE_SECONDS,
            poll_seconds=0.05,
            checkpoint_seconds=0.1,
            workers=0,
        )
        self.store = Store(database_url)
        self.artifacts = Artifacts(self.settings.artifacts_url)
        self._started: list[ForkServerProcess] = []

    def study(self, name: str, trials: int, epochs: int = 3, **parts: Any) -> None:
        """Accept a study of stub trainings."""
        from studies.study_file import parse

        space = {"dropout": {"low": 0.0, "high": 0.5}}
        budget = {"trials": trials, "epochs": epochs, "max_attempts": 20}
        self.store.create_study(parse(document(name, trials, budget=budget, space=space, **parts)))

    def worker(self, **given: Any) -> ForkServerProcess:
        """A started worker, of a name of its own."""
        process = stub.worker(self.settings, f"worker-{uuid4().hex[:8]}", self.log, **given)
        self._started.append(process)
        return process

    @contextmanager
    def server(self, fault: str | None = None, port: int = 0) -> Iterator[tuple[httpx.Client, ForkServerProcess]]:
        """A server that answers, and its process."""
        with socket.create_server(("127.0.0.1", port)) as listener:
            process = stub.server(self.settings, listener, self.log, fault)
            self._started.append(process)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=60) as client:
            eventually(lambda: _answers(client), 30)
            try:
                yield client, process
            finally:
                process.terminate()
                process.join(20)

    def ended(self, *names: str, seconds: float = 120.0) -> float:
        """Wait until studies have ended; the seconds it took."""
        begun = time.monotonic()
        for name in names:
            eventually(lambda name=name: self.store.study(name).ended_at is not None, seconds)  # type: ignore[misc]
        # A trial that its study's end has cut is told by its worker, or when that one is missed.
        eventually(lambda: not WorkerStore(self.store).leases(), 20)
        return time.monotonic() - begun

    def dead(self, process: ForkServerProcess) -> None:
        """Wait until a process was killed."""
        process.join(60)
        assert process.exitcode == -9, process.exitcode

    def close(self) -> None:
        """Nobody outlives a scenario."""
        for process in self._started:
            process.kill()
            process.join(20)
        self.store.close()

    def locked(self) -> int:
        """How often a process complained that the database is locked."""
        return self.log.read_text().count("locked")


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False
