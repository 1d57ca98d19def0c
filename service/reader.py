"""The program in which strangers' files are read: it forks a process for each, under limits.

Its standard input is a socket, over which the server sends one end of another for each file. Over that a process gets
its task and gives its answer, each a line of JSON: a process that a file has taken over can say what is untrue, and run
nothing in the server. A process is killed when the server closes its end, or when it holds more memory than it may. The
program reads no file itself, and has no thread that a fork would lose.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from service import reading_tasks
from service.child_process import memory_of

#: What the server sends along with a socket: the bytes that its process may hold.
_MEMORY = struct.Struct("!Q")
_LOOKS_SECONDS = 0.05
_OPEN_FILES = 64
_SET_DEATH_SIGNAL = 1  # Linux' prctl
_FIRST_TO_DIE = "1000"  # where the machine's memory runs out nevertheless


def main() -> None:
    """Fork for each socket that comes, until the server closes its end or is no more."""
    control = socket.socket(fileno=os.dup(0))
    _silence(0)
    # Of a terminal, or of a container: the server ends what it reads, and this program with it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reading_tasks.preload()
    gc.freeze()  # so that processes share the memory of what is imported
    _Forks(control).serve()


def _silence(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


@dataclass(slots=True)
class _Reading:
    """A process that reads, and who asked for it."""

    asker: socket.socket
    memory: int  # bytes that it may hold
    was_too_large: bool = False


class _Forks:
    """The processes that read now."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._own_memory = memory_of(os.getpid())  # which each process has from the start
        self._readings: dict[int, _Reading] = {}  # by process
        self._wakes = socket.socketpair()
        for end in self._wakes:
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes[1].fileno())
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wakes[0], select.POLLIN)

    def serve(self) -> None:
        """Start processes, and end those whose asker is gone or that grow too large, until the server is gone."""
        is_served = True
        while is_served:
            ready = {descriptor for descriptor, _ in self._poll.poll(1000 * _LOOKS_SECONDS if self._readings else None)}
            self._kill(ready)
            if self._wakes[0].fileno() in ready:
                self._wakes[0].recv(1 << 16)
                self._bury()
            if self._control.fileno() in ready:
                is_served = self._start()
        for process in self._readings:
            os.kill(process, signal.SIGKILL)

    def _kill(self, ready: set[int]) -> None:
        # None has been waited for yet, so that its number is no other process's.
        for process, reading in self._readings.items():
            is_left = reading.asker.fileno() in ready
            if is_left:
                self._poll.unregister(reading.asker)
            reading.was_too_large |= memory_of(process) > reading.memory
            if is_left or reading.was_too_large:
                os.kill(process, signal.SIGKILL)

    def _start(self) -> bool:
        """Fork for the socket that came; return whether there was one."""
        message, descriptors, _, _ = socket.recv_fds(self._control, _MEMORY.size, 1)
        if not message:
            return False
        asker = socket.socket(fileno=descriptors[0])
        process = os.fork()
        if not process:
            signal.set_wakeup_fd(-1)
            for other in (self._control, *self._wakes, *(reading.asker for reading in self._readings.values())):
                other.close()
            _silence(2)  # warnings about a stranger's file; what fails is answered
            _read(asker)
        self._readings[process] = _Reading(asker, self._own_memory + _MEMORY.unpack(message)[0])
        self._poll.register(asker, 0)  # told in any case: that the other end was closed
        return True

    def _bury(self) -> None:
        """Tell askers how their processes ended."""
        while self._readings:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            reading = self._readings.pop(process)
            with suppress(KeyError):
                self._poll.unregister(reading.asker)
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            ended = {"memory": True} if reading.was_too_large else {"signal": number}
            with reading.asker as asker, suppress(OSError):  # nobody asks any more
                asker.send(b"\n" + json.dumps(ended).encode() + b"\n", socket.MSG_DONTWAIT)


def _read(asker: socket.socket) -> NoReturn:
    """Carry out the task that comes, and end."""
    try:
        with asker.makefile("rb") as lines:
            task = json.loads(lines.readline())
        _limit(task["seconds"])
        asker.sendall(json.dumps(reading_tasks.carry_out(task)).encode() + b"\n")
    except BaseException:  # noqa: BLE001  # the boundary: what is not answered has failed
        os._exit(1)
    os._exit(0)


def _limit(seconds: int) -> None:
    """Let this process compute for so long, and write no file.

    Its memory is looked at instead: what it holds is less than what it reserves, of which Arrow takes gigabytes.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_DIE, encoding="ascii")


if __name__ == "__main__":
    main()
