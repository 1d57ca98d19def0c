"""A worker on a node of a Ray cluster: an actor, and the worker's process as its child.

The actor itself trains nothing, so that it answers whatever its worker does. Both end together: the worker leaves when
its standard input closes, and the actor exits once its worker has ended.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from typing import TypedDict

import ray

from service.child_process import regsweep_command
from service.version import VERSION
from service.worker.process import WorkerProcess

_LOOK_SECONDS = 1.0
_UNREAD_SECONDS = 30.0  # in which a server may still ask how the worker ended


class Offers(TypedDict):
    """What a worker offers, as its actor takes it of its node."""

    cpus: float | None
    gpus: int
    memory: int | None  # bytes; None where Ray does not count it


class Status(TypedDict):
    """What an actor answers: a dictionary, so that a server of another version reads it too."""

    host: str
    offers: Offers
    node: str  # by Ray's id
    ending: str | None  # None while the worker runs
    was_ready: bool
    last_lines: list[str]  # of what the worker wrote before it was ready


class WorkerActor:
    """Starts one worker and tells how it is; `idle_seconds` after the last question the worker leaves once idle.

    Raises RuntimeError when this node has another version of regsweep than the server.
    """

    def __init__(
        self, name: str, version: str, offers: Offers, environment: dict[str, str], idle_seconds: float
    ) -> None:
        if version != VERSION:
            node = socket.gethostname()
            raise RuntimeError(f"the node {node} has regsweep {VERSION} and the server {version}: install one on both")
        context = ray.get_runtime_context()
        self._node = context.get_node_id()
        gpus = ",".join(context.get_accelerator_ids().get("GPU", []))
        # Whom Ray gave no GPU shall see none, whatever the node's own environment says.
        given = os.environ | environment | {"CUDA_VISIBLE_DEVICES": gpus}
        command = regsweep_command("worker", "--attached", "--fleet", "ray", "--name", name, *_options(offers))
        self._worker = WorkerProcess(command, given)
        self._offers = offers
        self._idle_seconds = idle_seconds
        self._asked_at = time.monotonic()
        threading.Thread(target=self._watch, name="worker watch", daemon=True).start()

    def status(self) -> Status:
        """Tell how the worker is; the server that asks wants it to stay."""
        self._asked_at = time.monotonic()
        ending = _ending(self._worker.process)
        if ending is not None:
            self._worker.wait_until_read()
        return Status(
            host=socket.gethostname(),
            offers=self._offers,
            node=self._node,
            ending=ending,
            was_ready=self._worker.was_ready,
            last_lines=self._worker.last_lines,
        )

    def wake(self) -> None:
        """Let the worker look for work now."""
        self._worker.wake()

    def leave_when_idle(self) -> None:
        """Let the worker leave as soon as it finds no work."""
        self._worker.leave_when_idle()

    def leave(self) -> None:
        """Let the worker hand its trials back at their next epoch, with their states, and end."""
        self._worker.leave()

    def _watch(self) -> None:
        while _ending(self._worker.process) is None:
            if time.monotonic() - self._asked_at >= self._idle_seconds:
                self._worker.leave_when_idle()
            time.sleep(_LOOK_SECONDS)
        time.sleep(_UNREAD_SECONDS)
        os._exit(0)  # no call of an actor's may end it from another thread


def _options(offers: Offers) -> list[str]:
    return [f"--{name}={value}" for name, value in offers.items() if value is not None]


def _ending(process: subprocess.Popen[bytes]) -> str | None:
    """How a process ended; None while it runs."""
    status = process.poll()
    if status is None:
        return None
    return f"signal {-status}" if status < 0 else f"status {status}"
