"""Frees the trials of workers that died, before their leases run out."""

from __future__ import annotations

import time

import structlog
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from service.errors import StorageError
from service.storage.states import Ending
from service.storage.store import Store
from service.storage.worker_store import WorkerStore

_log = structlog.get_logger(__name__)
_LEAVING_SECONDS = 10.0  # in which a worker without its actor has left, see worker.main
#: Errors of a database that is away, and may answer at the next try.
PASSING = (StorageError, SQLAlchemyError, StorageInternalError)


class Freeing:
    """Dead workers whose trials are not freed yet."""

    def __init__(self, store: Store) -> None:
        self._worker_store = WorkerStore(store)
        self._due: dict[str, tuple[float, str]] = {}  # names: when, and why they died

    def add(self, worker: str, reason: str, *, is_gone: bool) -> None:
        """Free a worker's trials next time; of one that may still hand them back with their states, in 10 seconds."""
        self._due[worker] = (time.monotonic() + (0.0 if is_gone else _LEAVING_SECONDS), reason)

    def free(self) -> None:
        """End the attempts that are due."""
        for worker, (due, reason) in list(self._due.items()):
            if time.monotonic() < due:
                continue
            try:
                freed = self._worker_store.end_attempts(worker, Ending.LOST, reason)
                self._worker_store.remove_worker(worker)
            except PASSING as error:
                _log.warning("a dead worker's trials are not freed yet", worker=worker, error=str(error))
                return
            if freed:
                _log.warning("trials of a dead worker wait again", worker=worker, trials=freed)
            del self._due[worker]
