"""Renews a worker's leases beside its training, so that a long epoch does not lose its trial."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.storage.store import Store

_log = structlog.get_logger(__name__)


class Heartbeat:
    """A thread that renews all leases of a worker three times a lease, as long as the `with` block lasts."""

    def __init__(self, store: Store, worker: str, lease_seconds: float) -> None:
        self._store, self._worker, self._lease_seconds = store, worker, lease_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._lease_seconds / 3):
            try:
                self._store.renew(self._worker, self._lease_seconds)
            except SQLAlchemyError as error:
                # The next beat tries again; leases last three beats.
                _log.warning("leases not renewed", error=str(error))
