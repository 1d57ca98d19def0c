"""The server's own watch over all leases: where every worker is gone, nobody else would see that they are lost."""

from __future__ import annotations

import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.api.lazy_store import Opening
from service.errors import StorageError
from service.storage.reaper import Reaper
from service.storage.worker_store import WorkerStore

_log = structlog.get_logger(__name__)


class Watch:
    """A thread that looks at all leases three times a lease."""

    def __init__(self, opening: Opening, lease_seconds: float) -> None:
        self._opening, self._lease_seconds = opening, lease_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        reaper: Reaper | None = None
        while not self._ended.wait(self._lease_seconds / 3):
            try:
                reaper = reaper or Reaper(WorkerStore(self._opening.store()), self._lease_seconds)
                reaper.look()
            except (SQLAlchemyError, StorageError) as error:
                _log.warning("leases not watched", error=str(error))
            # A thread that ended here would watch no more, and nobody would know.
            except Exception:  # noqa: BLE001
                _log.exception("leases not watched")
