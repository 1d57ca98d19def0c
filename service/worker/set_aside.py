"""The studies that a worker leaves alone for a while, for serving them raised an error: others are served meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

_MAX_SECONDS = 60.0


class SetAside:
    """Studies by their ids, each with a pause that doubles with every error up to a minute."""

    def __init__(self, first_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first_seconds, self._clock = first_seconds, clock
        self._studies: dict[int, tuple[float, float]] = {}  # until when, and for how long

    def add(self, study_id: int) -> float:
        """Set a study aside; return for how many seconds."""
        _, before = self._studies.get(study_id, (0.0, 0.0))
        seconds = min(2 * before or self._first_seconds, _MAX_SECONDS)
        self._studies[study_id] = self._clock() + seconds, seconds
        return seconds

    def remove(self, study_id: int) -> None:
        """Forget a study's errors, for it was served without one."""
        self._studies.pop(study_id, None)

    def ids(self) -> list[int]:
        """The studies that are aside now."""
        return [study_id for study_id, (until, _) in self._studies.items() if self._clock() < until]
