"""Asks a process of its own to read a stranger's file; ends it when the answer is no longer waited for."""

from __future__ import annotations

import asyncio
import atexit
import json
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog

from service.child_process import environment_without_secrets, module_command
from service.errors import FileLimitError, InvalidDatasetError, ReaderDiedError
from studies.errors import FieldError, InvalidSpecError

_log = structlog.get_logger(__name__)

_BLOCK = 1 << 20
MAX_ANSWER = 1 << 24  # bytes: a profile of 5,000 columns has a third
_END_SECONDS = 5.0
#: The bytes that a process may hold, as `service/reader.py` takes them.
_MEMORY = struct.Struct("!Q")
#: Threads of OpenBLAS would not outlive a fork.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What reading one file may take."""

    memory: int  # bytes
    seconds: int

    @property
    def table(self) -> int:
        """Bytes of a table as 32-bit numbers: reading one takes more than twice its size."""
        return self.memory // 2


async def ask(task: Mapping[str, Any], limits: ReadingLimits, max_answer: int = MAX_ANSWER) -> dict[str, Any]:
    """Have a file read, with an answer of so many bytes at most. A cancelled caller ends the process.

    Raises InvalidDatasetError or InvalidSpecError, which name what is wrong in the file, FileLimitError, and
    ReaderDiedError.
    """
    try:
        return await _ask(task, limits, max_answer)
    except ReaderDiedError:  # it may have been about to end when it was asked; another is started now
        return await _ask(task, limits, max_answer)


async def _ask(task: Mapping[str, Any], limits: ReadingLimits, max_answer: int) -> dict[str, Any]:
    connection = await _connect(limits.memory)
    connection.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    try:
        async with asyncio.timeout(limits.seconds):
            writer.write(json.dumps({**task, "seconds": limits.seconds}).encode() + b"\n")
            answered = bytes(await _read_answer(reader, max_answer))
    except TimeoutError as error:
        raise FileLimitError.of_time(limits.seconds) from error
    except ConnectionError:
        answered = b""
    finally:
        writer.transport.abort()
    if len(answered) > max_answer:
        raise FileLimitError.of_answer(max_answer)
    return await asyncio.to_thread(_understand, answered, limits)


async def _connect(memory: int) -> socket.socket:
    # A thread goes on when its caller is cancelled, and what it returns then is nobody's.
    connecting = asyncio.get_running_loop().run_in_executor(None, _reader().connect, memory)
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_hang_up)
        raise


def _hang_up(connecting: asyncio.Future[socket.socket]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


async def _read_answer(reader: asyncio.StreamReader, max_answer: int) -> bytearray:
    answer = bytearray()
    while (block := await reader.read(_BLOCK)) and len(answer) <= max_answer:
        answer += block
    return answer


def _understand(answered: bytes, limits: ReadingLimits) -> dict[str, Any]:
    """Read an answer, and behind it how its process ended.

    Raises the error that it stands for.
    """
    said: dict[str, Any] = {}
    for line in answered.split(b"\n", 4)[:4]:  # the answer, an empty line, and the end
        with suppress(ValueError, TypeError, RecursionError):  # the process died while it wrote
            said = json.loads(line) | said
    match said:
        case {"found": dict(found)}:
            return found
        case {"memory": True}:
            raise FileLimitError.of_memory(limits.memory)
        case {"refused": "InvalidDatasetError", "message": str(message), "fields": [[str(field), str()]]}:
            raise InvalidDatasetError(field, message)
        case {"refused": "InvalidSpecError", "fields": list(fields)}:
            raise InvalidSpecError([FieldError(str(field), str(message)) for field, message in fields])
        case {"failed": str(trace)}:
            _log.error("a file could not be read, and nobody foresaw why", trace=trace)
            raise InvalidDatasetError("file", "the file cannot be read; is it damaged?")
        case {"signal": signal.SIGXCPU}:
            raise FileLimitError.of_time(limits.seconds)
    if not said:  # the program that tells how a process ended has ended itself
        _log.error("the program that reads files died; another is started for the next file")
        raise ReaderDiedError
    _log.warning("the process that read a file died", signal=said.get("signal"))
    raise FileLimitError.of_memory_or_damage(limits.memory)


class _Reader:
    """The program that forks a process for each file, which starts when the first is read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def connect(self, memory: int) -> socket.socket:
        """Start a process that may hold so many bytes; return the socket over which it is asked."""
        with self._lock:
            ours, its = socket.socketpair()
            with its, ExitStack() as until_sent:
                until_sent.enter_context(ours)
                try:
                    self._send(its, memory)
                except OSError:  # the program was killed: once more, with another
                    self._stop()
                    self._send(its, memory)
                until_sent.pop_all()
            return ours

    def _send(self, its: socket.socket, memory: int) -> None:
        # A process that it forked may hold its end of the socket still, so that sending to it would be no error.
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._control is None:
            self._control = self._start()
        socket.send_fds(self._control, [_MEMORY.pack(memory)], [its.fileno()])

    def _start(self) -> socket.socket:
        ours, its = socket.socketpair()
        environment = environment_without_secrets() | _ENVIRONMENT
        with its, ExitStack() as until_started:
            until_started.enter_context(ours)
            self._process = subprocess.Popen(
                module_command("service.reader"), stdin=its.fileno(), stdout=subprocess.DEVNULL, env=environment
            )
            until_started.pop_all()
        return ours

    def stop(self) -> None:
        """End the program, and all that it reads."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._control is None or self._process is None:
            return
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._process.kill()
        self._process.wait()
        self._control = self._process = None


@cache
def _reader() -> _Reader:
    """One of a process, for it takes half a second to start."""
    reader = _Reader()
    atexit.register(reader.stop)
    return reader
