"""Shows what a worker does, in the database: to users, and to nobody who decides anything by it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service.storage.offers import Offer
from service.storage.states import Activity
from service.storage.worker_store import WorkerStore
from studies.training.machine import resident_bytes

_log = structlog.get_logger(__name__)


_START_SECONDS = 60.0  # in which TensorFlow is loaded, and no heart beats


class Presence:
    """A worker as others see it; each sign of life lasts for `seconds`. A database that is away is no error here."""

    def __init__(self, store: WorkerStore, worker: str, seconds: float, offer: Offer | None = None) -> None:
        self._store, self._worker, self._seconds = store, worker, seconds
        self.offer = offer  # shown from the next sign of life on
        self._lock = threading.Lock()  # the heartbeat must not write what was before
        self._shown: tuple[Activity, int | None] | None = None

    def show(self, activity: Activity, study_id: int | None = None) -> None:
        """Show what the worker does from now on, and for which study."""
        with self._lock:
            if self._shown == (activity, study_id):
                return
            self._shown = activity, study_id
            self._write()

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Show that the worker compiles, for as long as the `with` block lasts."""
        before = self._shown
        if before is not None:
            self.show(Activity.COMPILING, before[1])
        try:
            yield
        finally:
            if before is not None:
                self.show(*before)

    def beat(self) -> None:
        """Give a sign of life."""
        with self._lock:
            self._write()

    def remove(self) -> None:
        """Show the worker no more."""
        with self._lock:
            self._shown = None
            try:
                self._store.remove_worker(self._worker)
            except SQLAlchemyError as error:
                _log.warning("a worker that has ended is shown until its lease is over", error=str(error))

    def _write(self) -> None:
        if self._shown is None:
            return
        activity, study_id = self._shown
        starts = activity == Activity.LOADING_TENSORFLOW
        try:
            seconds = max(self._seconds, _START_SECONDS) if starts else self._seconds
            self._store.show_worker(self._worker, activity, study_id, seconds, resident_bytes(), self.offer)
        except SQLAlchemyError as error:  # the next beat tries again
            _log.warning("what a worker does is not shown", error=str(error))
