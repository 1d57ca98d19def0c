"""The workers on a Ray cluster, as a server sees them."""

from __future__ import annotations

import subprocess
import threading
import time
from importlib.util import find_spec

import structlog

from service.child_process import module_command
from service.errors import ExtraMissingError
from service.ray.launch import artifacts_folder
from service.settings import Settings
from service.worker.process import WorkerProcess

_log = structlog.get_logger(__name__)
_MAX_PAUSE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_GRACE_SECONDS = 5.0


class RayFleet:
    """Keeps a process that keeps the workers, see main.py, and starts it again with growing pauses.

    A process of its own, for Ray ends every process that has lost the cluster's head for a minute: the server lives on,
    and so do the workers. They also go on when the server ends; the next one finds them.

    Raises ExtraMissingError where Ray is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        if find_spec("ray") is None:
            raise ExtraMissingError("--fleet ray", "ray", "ray")
        self._artifacts_url = settings.artifacts_url
        self._environment = settings.environment()
        if "cache_folder" not in settings.model_fields_set:  # each node has its own default
            self._environment.pop("REGSWEEP_CACHE_FOLDER", None)
        self._running: WorkerProcess | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="ray fleet", daemon=True)

    def start(self) -> None:
        """Start the keeper and keep it running."""
        if artifacts_folder(self._artifacts_url) is not None:
            _log.warning("the artifacts are in a folder, which every node of the Ray cluster must have")
        self._thread.start()

    def wake(self) -> None:
        """Let the keeper look at the demand now, and idle workers for work."""
        if (running := self._running) is not None:
            running.wake()

    def check(self) -> None:
        """Do nothing: a cluster that is away may come back at any time."""

    def stop(self) -> None:
        """End the keeper; the workers go on, and end once they are idle."""
        self._stopping.set()
        if self._thread.is_alive():  # it was never started where the database could not be opened
            self._thread.join()

    def _keep(self) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            started_at = time.monotonic()
            try:
                self._run()
            except Exception:  # noqa: BLE001  # a thread's boundary: else the fleet ends in silence
                _log.exception("the keeper of the workers on Ray cannot be started")
            if time.monotonic() - started_at > _MAX_PAUSE_SECONDS:
                pause = 1.0
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    def _run(self) -> None:
        """Run one keeper to its end, or until the fleet stops."""
        keeper = self._running = WorkerProcess(module_command("service.ray.main"), self._environment)
        try:
            while keeper.process.poll() is None and not self._stopping.wait(_LOOK_SECONDS):
                pass
        finally:
            self._running = None
            keeper.close()
            try:
                status = keeper.process.wait(_GRACE_SECONDS if self._stopping.is_set() else 0.0)
            except subprocess.TimeoutExpired:
                keeper.process.kill()
                status = keeper.process.wait()
        keeper.wait_until_read()
        if not self._stopping.is_set():
            said = keeper.last_lines[-2:]  # Ray's own line often says why
            _log.warning(
                "the keeper of the workers on Ray has ended and is started again", status=status, last_lines=said
            )
