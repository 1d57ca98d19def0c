"""The program in which strangers' files are read: it forks a process for each, under limits.

Its standard input is a socket, over which the server sends one end of another for each file. Over that a process gets
its task and gives its answer, each a line of JSON: a process that a file has taken over can say what is untrue, and run
nothing in the server. Where the server closes its end, the process is killed. The program reads no file itself, and has
no thread that a fork would lose.
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
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from service import reading_tasks

_OPEN_FILES = 64
_SET_DEATH_SIGNAL = 1  # Linux' prctl
_FIRST_TO_DIE = "1000"  # where memory runs out nevertheless


def main() -> None:
    """Fork for each socket that comes, until the server closes its end or is no more."""
    control = socket.socket(fileno=os.dup(0))
    _close_standard_input()
    # Of a terminal, or of a container: the server ends what it reads, and this program with it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reading_tasks.preload()
    gc.freeze()  # so that processes share the memory of what is imported
    _Forks(control).serve()


def _close_standard_input() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


class _Forks:
    """The processes that read now."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._askers: dict[int, socket.socket] = {}  # by the process that reads
        self._wakes = socket.socketpair()
        for end in self._wakes:
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes[1].fileno())
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wakes[0], select.POLLIN)

    def serve(self) -> None:
        """Start processes, and end those whose asker is gone, until the server is."""
        is_served = True
        while is_served:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            for process, asker in self._askers.items():
                if asker.fileno() in ready:
                    self._poll.unregister(asker)
                    os.kill(process, signal.SIGKILL)  # it is not waited for yet, so its number is no other's
            if self._wakes[0].fileno() in ready:
                self._wakes[0].recv(1 << 16)
                self._bury()
            if self._control.fileno() in ready:
                is_served = self._start()
        for process in self._askers:
            os.kill(process, signal.SIGKILL)

    def _start(self) -> bool:
        """Fork for the socket that came; return whether there was one."""
        message, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if not message:
            return False
        asker = socket.socket(fileno=descriptors[0])
        process = os.fork()
        if not process:
            signal.set_wakeup_fd(-1)
            for other in (self._control, *self._wakes, *self._askers.values()):
                other.close()
            _read(asker)
        self._askers[process] = asker
        self._poll.register(asker, 0)  # told in any case: that the other end was closed
        return True

    def _bury(self) -> None:
        """Tell askers how their processes ended."""
        while self._askers:
            process, status, used = os.wait4(-1, os.WNOHANG)
            if not process:
                return
            asker = self._askers.pop(process)
            with suppress(KeyError):
                self._poll.unregister(asker)
            ended = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "rss": used.ru_maxrss << 10}
            with asker, suppress(OSError):  # nobody asks any more
                asker.send(b"\n" + json.dumps(ended).encode() + b"\n", socket.MSG_DONTWAIT)


def _read(asker: socket.socket) -> NoReturn:
    """Carry out the task that comes, and end."""
    try:
        with asker.makefile("rb") as lines:
            task = json.loads(lines.readline())
        _limit(task["memory"], task["seconds"])
        asker.sendall(json.dumps(reading_tasks.carry_out(task)).encode() + b"\n")
    except BaseException:  # noqa: BLE001  # the boundary: what is not answered has failed
        os._exit(1)
    os._exit(0)


def _limit(memory: int, seconds: int) -> None:
    """Let this process take so many bytes of memory more than it has, and write no file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if sys.platform != "linux":  # elsewhere memory has no limit that a system holds
        return
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_DIE, encoding="ascii")
    has = _data_bytes() + memory
    resource.setrlimit(resource.RLIMIT_DATA, (has, has))


def _data_bytes() -> int:
    """The memory that RLIMIT_DATA counts."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
