"""Keeps a process running for each tracker that the server's owner has set up."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass

import structlog

from service.child_process import module_command
from service.extras import check_extra
from service.settings import Settings
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
    process: subprocess.Popen[bytes] | None = None
    pause: float = _LOOKS_SECONDS
    starts_at: float = 0.0  # by the monotonic clock; of a process that runs, when it began


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
        running = [member.process for member in self._members if member.process is not None]
        for process in running:
            if process.stdin is not None:
                process.stdin.close()
        for process in running:
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            for member in self._members:
                self._look_after(member)
            self._stopping.wait(_LOOKS_SECONDS)

    def _look_after(self, member: _Member) -> None:
        if member.process is not None and (status := member.process.poll()) is not None:
            if member.process.stdin is not None:
                member.process.stdin.close()
            if time.monotonic() - member.starts_at > _HEALTHY_SECONDS:
                member.pause = _LOOKS_SECONDS
            self._put_off(member, status=status)
        if member.process is None and time.monotonic() >= member.starts_at:
            command = module_command("service.loggers.main", member.name)
            try:
                member.process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=2, env=self._settings.environment(), start_new_session=True
                )
            except OSError as error:
                self._put_off(member, error=str(error))

    def _put_off(self, member: _Member, **why: object) -> None:
        """Start a process that died, or cannot be started, after a pause that grows each time."""
        _log.warning("a logger died and is started again", tracker=member.name, after_seconds=member.pause, **why)
        member.process, member.starts_at = None, time.monotonic() + member.pause
        member.pause = min(_MAX_PAUSE_SECONDS, 2 * member.pause)
