"""How long a worker that finds no work waits before it looks again."""

from __future__ import annotations

import random
from collections.abc import Callable

from service.storage.states import FleetKind

MAX_SECONDS = 5.0
_GROWTH = 1.5


class IdlePause:
    """Pauses between two looks for work: they begin with `shortest` seconds and, where they grow, reach five.

    They grow where there may be many workers, of which a thousand would look five thousand times a second: not on
    SQLite, nor in the fleet of one machine. Those that grow are cut by chance, to half at most, so that workers which
    were woken together soon look at different times.
    """

    def __init__(
        self, shortest: float, dialect: str, fleet: FleetKind | None, chance: Callable[[], float] = random.random
    ) -> None:
        self._shortest, self._chance = shortest, chance
        self._grows = dialect != "sqlite" and fleet != FleetKind.LOCAL
        self._seconds = shortest

    def reset(self) -> None:
        """Begin with the shortest again, after work or a call to look for it."""
        self._seconds = self._shortest

    def next(self) -> float:
        """The seconds until the next look."""
        if not self._grows:
            return self._shortest
        seconds = self._seconds * (0.5 + 0.5 * self._chance())
        self._seconds = max(self._shortest, min(_GROWTH * self._seconds, MAX_SECONDS))
        return seconds
