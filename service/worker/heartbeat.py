"""Renews a worker's leases beside its training, notices when the training hangs, and may watch all leases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from service.storage.reaper import Reaper
from service.storage.states import Ending
from service.storage.worker_store import WorkerStore
from service.worker.presence import Presence

_log = structlog.get_logger(__name__)


class Heartbeat:
    """A thread that renews all leases of a worker three times a lease, for as long as the `with` block lasts.

    It calls `on_hung` when the worker holds trials and no training went on for `hung_seconds`. Each beat that the
    database answers touches the file at `path`, and shows the worker's presence.
    """

    def __init__(
        self,
        store: WorkerStore,
        worker: str,
        lease_seconds: float,
        hung_seconds: float,
        on_hung: Callable[[], None],
        path: Path | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._store, self._worker, self._lease_seconds = store, worker, lease_seconds
        self._hung_seconds, self._on_hung, self._path = hung_seconds, on_hung, path
        self._presence = presence
        self._reaper = Reaper(store, lease_seconds)
        self._progressed_at = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def note_progress(self) -> None:
        """Note that a training went on."""
        self._progressed_at = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _live(self) -> None:
        ended = False
        while not ended:
            try:
                self._beat()
            except (SQLAlchemyError, StorageInternalError) as error:
                # The next beat tries again; leases last three beats.
                _log.warning("leases not renewed", error=str(error))
            # If this thread ended, a worker that trains on would lose every lease.
            except Exception:  # noqa: BLE001
                _log.exception("leases not renewed", worker=self._worker)
            ended = self._ended.wait(min(self._lease_seconds, self._hung_seconds) / 3)

    def _beat(self) -> None:
        renewed = self._store.renew(self._worker, self._lease_seconds)
        if renewed and time.monotonic() - self._progressed_at >= self._hung_seconds:
            reason = f"its training ended no epoch for {self._hung_seconds:g} seconds"
            self._store.end_attempts(self._worker, Ending.HUNG, reason)
            _log.error("the training hangs", worker=self._worker, trials=renewed)
            self._on_hung()
        lost = self._reaper.look() if self._store.watches_leases(self._worker) else 0
        if lost:
            _log.warning("trials of lost workers wait again", trials=lost)
        if self._presence is not None:
            self._presence.beat()
        if self._path is not None:
            self._path.touch()
