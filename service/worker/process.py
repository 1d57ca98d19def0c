"""A worker process as its fleet sees it: its pipes, and its last words when it dies before it is ready.

Until a worker is ready, its standard error is a pipe that the fleet reads. Then it writes READY and logs straight to
the fleet's standard error, which it holds as its standard output: the log line of a worker whose fleet was killed has
somewhere to go.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import IO, cast

from service import logs

READY = b"\0"
#: What a parent writes to a worker's standard input: look for work now, or leave as soon as there is none.
WAKE, LEAVE_WHEN_IDLE = b"\n", b"i"
_MAX_LINES = 20  # kept of what a worker writes before it is ready
_READ_SECONDS = 5.0  # for the rest of a dead worker's pipe


def announce_ready() -> None:
    """Tell the fleet that this worker is ready, and log past it from now on; one that started anew has told it."""
    if os.path.sameopenfile(1, 2):
        return
    sys.stderr.flush()
    os.write(2, READY + b"\n")
    os.dup2(1, 2)


class WorkerProcess:
    """A started worker, in a session of its own; it ends by itself when its standard input closes."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=2,  # the fleet's standard error
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
        if self.process.stdin is not None:
            os.set_blocking(self.process.stdin.fileno(), False)
        self._stdin_lock = threading.Lock()
        self._was_told_to_leave = False
        self._lines: deque[bytes] = deque(maxlen=_MAX_LINES)
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, name="worker start", daemon=True)
        try:
            self._reader.start()
        except RuntimeError:  # no thread is left to be had: what it wrote could block the worker, and nobody would know
            self.process.kill()
            self.process.wait()
            raise

    def wait_until_read(self) -> None:
        """Wait for the rest of a dead worker's pipe."""
        self._reader.join(_READ_SECONDS)

    @property
    def was_ready(self) -> bool:
        """True when it said that it was ready."""
        return self._ready.is_set()

    @property
    def last_lines(self) -> list[str]:
        """The last lines of what it wrote before it was ready."""
        return [line.decode(errors="replace").rstrip() for line in list(self._lines)]

    def wake(self) -> None:
        """Let it look for work now; one that is busy or dead needs no call."""
        self._write(WAKE)

    def leave_when_idle(self) -> None:
        """Let it leave as soon as it finds no work."""
        self._write(LEAVE_WHEN_IDLE)

    def leave(self) -> None:
        """Let it hand its trials back at their next epoch, and end; a second call changes nothing."""
        if not self._was_told_to_leave:  # on a second signal it would exit at once
            self._was_told_to_leave = True
            self.process.terminate()

    def _write(self, call: bytes) -> None:
        if self.process.stdin is not None:
            # Closed, or so full that it has calls enough; the lock is for its number, which may be another file's next.
            with self._stdin_lock, suppress(OSError, ValueError):
                os.write(self.process.stdin.fileno(), call)

    def close(self) -> None:
        """Close its standard input."""
        if self.process.stdin is not None:
            with self._stdin_lock:
                self.process.stdin.close()

    def _read(self) -> None:
        with cast("IO[bytes]", self.process.stderr) as pipe:
            for line in pipe:
                before, ready, _ = line.partition(READY)
                if before:
                    self._lines.append(before)
                if ready:
                    self._ready.set()
                    # Held back until here, so that a worker that dies says its last words once.
                    logs.relay(self.last_lines)
