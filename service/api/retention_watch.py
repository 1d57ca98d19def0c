"""Deletes studies that ended more than REGSWEEP_KEEP_DAYS ago, when the server starts and once a day."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service import retention
from service.api.lazy_store import LazyStore
from service.errors import MigrationError, StorageError
from service.storage.artifacts import Artifacts

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 60.0  # until it is tried again, when the database or the artifacts were away


class RetentionWatch:
    """A thread that looks once a day; without a number of days it does nothing."""

    def __init__(
        self, lazy_store: LazyStore, artifacts: Artifacts, days: float | None, forget: Callable[[], None]
    ) -> None:
        self._lazy_store, self._artifacts, self._days, self._forget = lazy_store, artifacts, days, forget
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="retention", daemon=True)

    def start(self) -> None:
        """Start the thread, if there is anything to do."""
        if self._days is not None:
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        wait = 0.0
        while not self._ended.wait(wait):
            wait = retention.DAY
            try:
                for name in retention.prune(self._lazy_store.get(), self._artifacts, self._days or 0.0):
                    _log.info("a study is deleted, for it ended long ago", study=name, keep_days=self._days)
                    self._forget()
                    if self._ended.is_set():
                        return
            except MigrationError as error:
                _log.warning("old studies are deleted no more", error=str(error))
                return
            except (SQLAlchemyError, StorageError) as error:
                wait = _RETRY_SECONDS
                _log.warning("old studies are not deleted; it is tried again soon", error=str(error), seconds=wait)
            # A thread that ended here would delete no more, and nobody would know.
            except Exception:  # noqa: BLE001
                _log.exception("old studies are not deleted; it is tried again tomorrow")
