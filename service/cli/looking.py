"""Looks at a study again and again: by a server's events, or by asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from service.cli.source import StudySource
from service.schemas.comparisons import ComparisonView
from service.schemas.studies import StudyView

if TYPE_CHECKING:
    from service.client import Client

_SLOW_SECONDS = 1.0  # between two looks at what is longer to read, and changes less often


@dataclass(frozen=True, slots=True)
class Look:
    """A study as it is now, with its comparison, and the number of workers that are alive; None where not known."""

    study: StudyView
    comparison: ComparisonView | None = None
    workers: int | None = None


def looking_at(source: StudySource, name: str, read: Callable[[], StudyView] | None = None) -> Callable[[], Look]:
    """Make a function that asks for a study, by `read` if given; for its comparison and the workers less often."""
    comparison: ComparisonView | None = None
    workers: int | None = None
    asked_at = float("-inf")

    def look() -> Look:
        nonlocal comparison, workers, asked_at
        study = source.study(name) if read is None else read()
        if time.monotonic() - asked_at >= _SLOW_SECONDS or not study.active:
            comparison = source.comparison(name) if study.comparison is not None else None
            workers, asked_at = len(source.workers().workers), time.monotonic()
        return Look(study, comparison, workers)

    return look


class EventLooks:
    """Looks at a study as a server's events tell of it; asks where they break off."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name
        self._study: StudyView | None = None
        self._comparison: ComparisonView | None = None
        self._workers, self._asked_at = 0, float("-inf")
        self._ask = looking_at(client, name)
        self._reader = Thread(target=self._read_events, name="events", daemon=True)
        self._reader.start()

    def __call__(self) -> Look:
        """Look; the first time by asking, for an event may be on its way."""
        study = self._study
        if study is None or not study.active or not self._reader.is_alive():
            return self._ask()
        if time.monotonic() - self._asked_at >= _SLOW_SECONDS and not study.progress.running:
            self._workers, self._asked_at = len(self._client.workers().workers), time.monotonic()
        # While trials run there is a worker.
        return Look(study, self._comparison, None if study.progress.running else self._workers)

    def _read_events(self) -> None:
        from service.client.events import ComparisonEvent, StudyEvent

        try:
            for event in self._client.events(self._name):
                if isinstance(event, StudyEvent):
                    self._study = event.study
                elif isinstance(event, ComparisonEvent):
                    self._comparison = event.comparison
        except Exception:  # noqa: BLE001  # a thread's boundary: asking goes on, and says what is wrong
            self._study = None
