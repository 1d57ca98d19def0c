"""The worker processes of one machine: started, restarted when they die, ended together."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.child_process import regsweep_command
from service.errors import EngineMissingError, StorageError, WorkersFailedError
from service.settings import Settings
from service.storage.states import Ending, FleetKind
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.worker.process import WorkerProcess

_log = structlog.get_logger(__name__)
_RESTART_SECONDS = 1.0  # between two looks at the workers, and after the first failed start; doubled after each further
_MAX_FAILED_STARTS = 5  # in a row
_GRACE_SECONDS = 10.0


@dataclass
class _Member:
    """One worker of the fleet, over all processes that it is started as."""

    name: str = ""
    running: WorkerProcess | None = None
    failed_starts: int = 0  # in a row
    starts_at: float = 0.0  # by the monotonic clock

    @property
    def given_up(self) -> bool:
        return self.failed_starts >= _MAX_FAILED_STARTS


class Fleet:
    """N worker processes that never outlive this one.

    A worker ends by itself when its standard input closes, so even a SIGKILL here leaves none behind. Workers stand in
    sessions of their own: Ctrl-C reaches this process only, which then ends them in order.

    A worker that dies is started again. One that dies before it is ready, or that cannot be started at all, is started
    again after 1, 2, 4 and 8 seconds, and then given up.

    Raises EngineMissingError where TensorFlow is not installed.
    """

    def __init__(self, settings: Settings, workers: int, study: str | None = None) -> None:
        if find_spec("tensorflow") is None:
            raise EngineMissingError
        self._settings = settings
        self._command = regsweep_command(
            "worker", "--attached", "--fleet", FleetKind.LOCAL, *([] if study is None else ["--study", study])
        )
        self._members = [_Member() for _ in range(workers)]
        self._failure: WorkersFailedError | None = None
        self._fleet, self._spawned = f"{socket.gethostname()}-{uuid4().hex[:6]}", 0
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="fleet", daemon=True)

    def start(self) -> None:
        """Start the workers and keep them running."""
        self._keeper.start()

    def wake(self) -> None:
        """Let idle workers look for work now rather than at their next poll."""
        for worker in [member.running for member in self._members]:
            if worker is not None:
                worker.wake()

    def check(self) -> None:
        """Raise WorkersFailedError when every worker is given up."""
        if self._failure is not None and all(member.given_up for member in self._members):
            raise self._failure

    def stop(self) -> None:
        """End all workers: politely, then, after 10 seconds, by force."""
        self._stopping.set()
        if self._keeper.is_alive():  # it was never started where the database could not be opened
            self._keeper.join()
        running = [member.running for member in self._members if member.running is not None]
        for worker in running:
            worker.process.terminate()
        for worker in running:
            try:
                worker.process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.close()

    def _keep(self) -> None:
        while True:
            for member in self._members:
                try:
                    self._look_after(member)
                except Exception as error:  # noqa: BLE001  # a thread's boundary: else the fleet ends in silence
                    _log.exception("looking after a worker failed")
                    self._count_failed_start(member, f"{type(error).__name__}: {error}", [])
            if self._stopping.wait(_RESTART_SECONDS):
                return

    def _look_after(self, member: _Member) -> None:
        if member.running is not None and member.running.process.poll() is not None:
            self._bury(member, member.running)
        if member.running is None and not member.given_up and time.monotonic() >= member.starts_at:
            member.name = f"{self._fleet}-{self._spawned}"
            command = [*self._command, "--name", member.name]
            member.running = WorkerProcess(command, self._settings.environment())
            self._spawned += 1

    def _bury(self, member: _Member, worker: WorkerProcess) -> None:
        """Free a dead worker's trials and settle when it is started again, if it is."""
        status = worker.process.returncode
        ending = f"signal {-status}" if status < 0 else f"status {status}"
        worker.close()
        member.running = None
        database_answered = self._release(member.name, ending)
        worker.wait_until_read()
        # A database that is away is reason enough to die, and comes back.
        if worker.was_ready or not database_answered:
            _log.warning("a worker died and is started again", pid=worker.process.pid, status=status)
            member.failed_starts = 0
        else:
            self._count_failed_start(member, ending, worker.last_lines)

    def _count_failed_start(self, member: _Member, ending: str, last_lines: list[str]) -> None:
        member.failed_starts += 1
        if member.given_up:
            self._failure = WorkersFailedError(member.failed_starts, ending, last_lines)
            _log.error("a worker is given up", starts=member.failed_starts, ending=ending, last_lines=last_lines)
            if all(other.given_up for other in self._members):
                _log.error("no worker is left: studies wait until regsweep is started again")
            return
        seconds = _RESTART_SECONDS * 2 ** (member.failed_starts - 1)
        member.starts_at = time.monotonic() + seconds
        _log.warning(
            "a worker died before it was ready and is started again",
            ending=ending,
            last_line=last_lines[-1] if last_lines else "",
            after_seconds=seconds,
        )

    def _release(self, worker: str, ending: str) -> bool:
        """Free a dead worker's trials before their leases run out; return whether the database answered."""
        from optuna.exceptions import StorageInternalError

        try:
            store = Store(self._settings.database_url)
            try:
                worker_store = WorkerStore(store)
                worker_store.end_attempts(worker, Ending.LOST, f"its process ended with {ending}")
                worker_store.remove_worker(worker)
            finally:
                store.close()
        except (StorageError, SQLAlchemyError, StorageInternalError) as error:
            _log.warning("a dead worker's trials wait for the end of its leases", worker=worker, error=str(error))
            return False
        return True
