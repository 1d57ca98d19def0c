"""Every scenario by name, as long as `make chaos` runs it, and as short as `make test` does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.chaos import scenarios
from tests.chaos.place import Place
from tests.postgresql import PostgreSQL

Act = Callable[[Place], str]
HOUR = 3600.0
_BACKENDS = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Scenario:
    """What is done, on which database, and within how many seconds."""

    number: int
    name: str
    backend: str
    act: Callable[[Place, PostgreSQL], str]
    short: bool  # whether it is one of `make test`
    busy_seconds: int | None = None  # SQLite's busy timeout, where it is not the usual

    @property
    def title(self) -> str:
        """What a report calls it."""
        return f"{self.number}. {self.name}, {self.backend}"

    def run(self, folder: Path, server: PostgreSQL) -> str:
        """Do it on a fresh database; what was counted. AssertionError when a promise is broken."""
        url = server.url("chaos") if self.backend == "PostgreSQL" else f"sqlite:///{folder / 'regsweep.db'}"
        if self.busy_seconds is not None:
            url += f"?timeout={self.busy_seconds}"
        place = Place(url, folder)
        try:
            return self.act(place, server)
        finally:
            place.close()


def _plain(act: Act) -> Callable[[Place, PostgreSQL], str]:
    return lambda place, _: act(place)


def _stopped(seconds: float) -> Callable[[Place, PostgreSQL], str]:
    return lambda place, server: scenarios.database_away(place, server.stop, server.start, seconds)


def catalog() -> list[Scenario]:
    """All scenarios in the order of the issue that asked for them.

    `make test` has each short one on one database: on the one where it is harder, or else on both in turn.
    """
    found: list[Scenario] = []
    for backend in _BACKENDS:

        def add(number: int, name: str, act: Act, *, short: bool = False, backend: str = backend) -> None:
            found.append(Scenario(number, name, backend, _plain(act), short))

        sqlite = backend == "SQLite"
        for index, point in enumerate(scenarios.POINTS):
            act = partial(scenarios.worker_killed_at, point=point)
            add(1, f"worker killed at “{point}”", act, short=sqlite == (index % 2 == 0))
        swarm = partial(scenarios.random_killer, trials=500, probability=0.05)
        add(2, "random killer, 500 trials, p = 0.05 a second", swarm)
        few = partial(scenarios.random_killer, trials=60, probability=0.3, slower=math.inf)
        add(2, "random killer, 60 trials, p = 0.3 a second", few, short=sqlite)
        add(3, "zombie: SIGSTOP past the lease, SIGCONT", scenarios.zombie, short=not sqlite)
        add(4, "reaper killed between its steps", scenarios.reaper_killed, short=sqlite)
        add(4, "server killed at each boundary of a request", scenarios.server_killed, short=not sqlite)
        add(4, "100 identical posts at once", scenarios.identical_posts, short=not sqlite)
        add(6, "no file can grow: disk full", scenarios.disk_full, short=sqlite)  # the database is such a file
        for hours in (1, -1):
            act = partial(scenarios.clock_off, seconds=hours * HOUR)
            add(6, f"one worker's clock off by {hours:+d} hour", act, short=sqlite)  # PostgreSQL has one clock
        add(8, "another program breaks ten studies", scenarios.another_program, short=sqlite)
        crowd = partial(scenarios.crowd, workers=8, clients=50, seconds=120.0, trials=20_000)
        add(7, "8 workers, 50 clients, 2 minutes", crowd)
        add(
            7,
            "4 workers, 20 clients, 5 seconds",
            partial(scenarios.crowd, workers=4, clients=20, seconds=5.0, trials=2_000),
            short=sqlite,
        )
    held = partial(scenarios.write_lock_held, seconds=35.0)
    found.append(Scenario(5, "write lock held for 35 s", "SQLite", _plain(held), short=False))
    soon = partial(scenarios.write_lock_held, seconds=5.0)
    found.append(Scenario(5, "write lock held for 5 s, busy timeout 1 s", "SQLite", _plain(soon), True, busy_seconds=1))
    found.append(Scenario(5, "server stopped for 30 s", "PostgreSQL", _stopped(30.0), short=False))
    found.append(Scenario(5, "server stopped for 5 s", "PostgreSQL", _stopped(5.0), short=True))
    return sorted(found, key=lambda scenario: scenario.number)
