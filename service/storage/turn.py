"""A worker's turn at a study, and when another study comes next."""

from __future__ import annotations

import time

from service.storage.claiming import Holder
from service.storage.records import StudyRecord
from service.storage.worker_store import WorkerStore


class Turn:
    """A turn begins when it is first checked: with its first claim, once the program is ready."""

    def __init__(self, store: WorkerStore, study: StudyRecord, holder: Holder) -> None:
        self._store, self._holder = store, holder
        self._study_id, self._root_id = study.id, study.root_id
        self._ends_at: float | None = None
        self._is_over = False

    def is_over(self) -> bool:
        """Return True, and from then on, when the turn has ended and another study comes next."""
        if self._ends_at is None:
            self._ends_at = time.monotonic() + self._holder.turn_seconds
        if not self._is_over and time.monotonic() >= self._ends_at:
            holder = self._holder
            study = self._store.next_study(holder.only, holder.name, self._study_id, offer=holder.offer)
            self._is_over = study is not None and study.root_id != self._root_id
            self._ends_at = time.monotonic() + self._holder.turn_seconds
        return self._is_over
