"""Keeps a process running for each tracker that the server's owner has set up."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.child_process import module_command
from service.errors import StorageError
from service.extras import check_extra
from service.loggers.tracker import without_password
from service.settings import Settings
from service.storage.store import Store
from service.storage.tracked import TrackedStore
from service.worker.process import WorkerProcess
from studies.spec.logger import LoggerName

_log = structlog.get_logger(__name__)
_LOOKS_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 60.0
_HEALTHY_SECONDS = 600.0  # a process that lived so long is started again at once
_GRACE_SECONDS = 3.0


@dataclass
class _Member:
    """The process of one tracker, over all processes that it is started as."""

    name: LoggerName
    running: WorkerProcess | None = None
    holder: str = ""  # of the studies that it logs
    pause: float = _LOOKS_SECONDS
    starts_at: float = 0.0  # by the monotonic clock; of a process that runs, when it began
    problem: str | None = None  # that was told


class LoggerProcesses:
    """The processes that log; none where no tracker is set up. Those that die are started again.

    Raises ExtraMissingError when the library of a tracker is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        for name in settings.trackers:
            check_extra(f"logging to {name}", name)
        self._settings = settings
        self._members = [_Member(name) for name in settings.trackers]
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="loggers", daemon=True)

    def start(self) -> None:
        """Start them, if there is any."""
        if self._members:
            self._keeper.start()

    def stop(self) -> None:
        """End them: what a process is about to log has some seconds, and is else logged the next time."""
        self._stopping.set()
        if self._keeper.ident is not None:
            self._keeper.join()
        running = [member.running for member in self._members if member.running is not None]
        for child in running:
            child.close()
        for child in running:
            try:
                child.process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            for member in self._members:
                self._look_after(member)
            self._stopping.wait(_LOOKS_SECONDS)

    def _look_after(self, member: _Member) -> None:
        if member.running is not None and (status := member.running.process.poll()) is not None:
            member.running.close()
            member.running.wait_until_read()
            if time.monotonic() - member.starts_at > _HEALTHY_SECONDS:
                member.pause, member.problem = _LOOKS_SECONDS, None
            # What it wrote later stands in the log.
            last_line = "" if member.running.was_ready else without_password("".join(member.running.last_lines[-1:]))
            self._put_off(member, f"its process ended with status {status}" + (last_line and f": {last_line}"))
        if member.running is None and time.monotonic() >= member.starts_at:
            member.holder = uuid4().hex
            command = module_command("service.loggers.main", member.name, member.holder)
            try:
                member.running = WorkerProcess(command, self._settings.environment())
            except (OSError, RuntimeError) as error:  # no memory, or no thread
                self._put_off(member, f"its process cannot be started: {error}")

    def _put_off(self, member: _Member, problem: str) -> None:
        """Start a process that died, or cannot be started, after a pause that grows each time."""
        if problem != member.problem:
            _log.warning("a logger died and is started again", tracker=member.name, problem=problem)
        member.running, member.problem = None, problem
        self._tell(member, problem)
        member.starts_at = time.monotonic() + member.pause
        member.pause = min(_MAX_PAUSE_SECONDS, 2 * member.pause)

    def _tell(self, member: _Member, problem: str) -> None:
        """Let the studies that it would log say so."""
        try:
            with closing(Store(self._settings.database_url)) as store:
                tracked = TrackedStore(store, member.name, member.holder)
                tracked.adopt(every=member.name in self._settings.loggers)
                tracked.abandon(problem)
        except (SQLAlchemyError, StorageError) as error:
            _log.warning("studies cannot be told that their logger died", tracker=member.name, error=str(error))
