"""When the next workers may be started after some that could not."""

from __future__ import annotations

import time
from collections.abc import Callable

_MAX_PAUSE_SECONDS = 60.0


class Starting:
    """While workers cannot start, one is tried after 1, 2, 4 and up to 60 seconds; once one is ready, all at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause, self._starts_at, self._failed_at = 0.0, 0.0, float("-inf")

    @property
    def fails(self) -> bool:
        """Whether a worker could not start, and none was ready since."""
        return self._pause > 0

    def note_failure(self, created_at: float) -> float:
        """Note that a worker could not start; return the seconds until another is tried.

        One that was asked for before the last one failed was asked for with it, and fails with it.
        """
        now = self._clock()
        if created_at >= self._failed_at:
            self._pause = min(2 * self._pause or 1.0, _MAX_PAUSE_SECONDS)
            self._failed_at, self._starts_at = now, now + self._pause
        return max(0.0, self._starts_at - now)

    def note_ready(self) -> None:
        """Note that a worker is ready."""
        self._pause = self._starts_at = 0.0

    def take(self, wanted: int) -> int:
        """How many of those wanted to start now."""
        now = self._clock()
        if wanted <= 0 or now < self._starts_at:
            return 0
        if not self.fails:
            return wanted
        self._starts_at = now + self._pause
        return 1
