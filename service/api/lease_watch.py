"""Watches all leases from the server: when every worker is gone, nobody else would end what they have lost."""

from __future__ import annotations

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.api.lazy_store import LazyStore
from service.errors import MigrationError, StorageError
from service.storage.reaper import Reaper
from service.storage.worker_store import WorkerStore

_log = structlog.get_logger(__name__)
_LOOKS_PER_LEASE = 3


class LeaseWatch:
    """A thread that looks at all leases several times within the length of one."""

    def __init__(self, lazy_store: LazyStore, lease_seconds: float) -> None:
        self._lazy_store, self._lease_seconds = lazy_store, lease_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        reaper: Reaper | None = None
        while not self._ended.wait(self._lease_seconds / _LOOKS_PER_LEASE):
            try:
                reaper = reaper or Reaper(WorkerStore(self._lazy_store.get()), self._lease_seconds)
                reaper.look()
            except MigrationError as error:
                _log.warning("leases are watched no more", error=str(error))
                return
            except (SQLAlchemyError, StorageError) as error:
                _log.warning("leases not watched", error=str(error))
            # A thread that ended here would watch no more, and nobody would know.
            except Exception:  # noqa: BLE001
                _log.exception("leases not watched")
