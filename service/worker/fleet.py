"""The worker processes of one machine: started, restarted when they die, ended together."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.errors import EngineMissingError, StorageError
from service.settings import Settings
from service.storage.states import Ending
from service.storage.store import Store
from service.storage.worker_store import WorkerStore

_log = structlog.get_logger(__name__)
_RESTART_SECONDS = 1.0
_GRACE_SECONDS = 10.0


class Fleet:
    """N worker processes that never outlive this one.

    A worker ends by itself when its standard input closes, so even a SIGKILL here leaves none behind. Workers stand in
    sessions of their own: Ctrl-C reaches this process only, which then ends them in order.

    Raises EngineMissingError where TensorFlow is not installed.
    """

    def __init__(self, settings: Settings, workers: int, study: str | None = None) -> None:
        if find_spec("tensorflow") is None:
            raise EngineMissingError
        self._settings = settings
        self._command = [sys.executable, "-m", "service.cli.main", "worker", "--attached"]
        self._command += [] if study is None else ["--study", study]
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * workers
        self._names = [""] * workers
        self._fleet, self._spawned = f"{socket.gethostname()}-{uuid4().hex[:6]}", 0
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="fleet", daemon=True)

    def start(self) -> None:
        """Start the workers and keep them running."""
        self._keeper.start()

    def stop(self) -> None:
        """End all workers: politely, then, after 10 seconds, by force."""
        self._stopping.set()
        self._keeper.join()
        running = [process for process in self._processes if process is not None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process)

    def _keep(self) -> None:
        while True:
            for seat, process in enumerate(self._processes):
                if process is not None and process.poll() is not None:
                    _log.warning("a worker died and is started again", pid=process.pid, status=process.returncode)
                    _close(process)
                    self._release(self._names[seat], process.returncode)
                if process is None or process.poll() is not None:
                    self._names[seat] = f"{self._fleet}-{self._spawned}"
                    self._processes[seat] = self._spawn(self._names[seat])
                    self._spawned += 1
            if self._stopping.wait(_RESTART_SECONDS):
                return

    def _release(self, worker: str, status: int) -> None:
        """Let the trials of a worker that died be run by others at once, and not when its leases are missed."""
        from optuna.exceptions import StorageInternalError

        cause = f"signal {-status}" if status < 0 else f"status {status}"
        try:
            store = Store(self._settings.database_url)
            try:
                WorkerStore(store).end_attempts(worker, Ending.LOST, f"its process ended with {cause}")
            finally:
                store.close()
        except (StorageError, SQLAlchemyError, StorageInternalError) as error:
            _log.warning("a dead worker's trials wait for the end of its leases", worker=worker, error=str(error))

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, "--name", name],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env=self._settings.environment(),
        )


def _close(process: subprocess.Popen[bytes]) -> None:
    """Let go of the pipe that held a worker."""
    if process.stdin is not None:
        process.stdin.close()
