"""What a simulation costs: the time of each part, and of the database's statements."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_TICKS = 100  # of /proc, a second
_LISTS = re.compile(r"\((?:%\(\w+\)s(?:::\w+)?(?:, )?)+\)|\(\?(?:, \?)*\)")


@dataclass
class Meter:
    """Times since it was made, or `reset`."""

    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds of each call
    by_part: Counter[str] = field(default_factory=Counter)  # of statements, in seconds
    seconds: Counter[str] = field(default_factory=Counter)  # by statement
    counts: Counter[str] = field(default_factory=Counter)
    _part: str = "other"
    _began: float = 0.0

    def reset(self) -> None:
        """Begin anew."""
        for each in (self.parts, self.by_part, self.seconds, self.counts):
            each.clear()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block as a call of a part, and its statements as the part's."""
        outer, self._part = self._part, name
        began = time.perf_counter()
        try:
            yield
        finally:
            self.parts[name].append(time.perf_counter() - began)
            self._part = outer

    def add(self, name: str, seconds: float) -> None:
        """Count a call of a part."""
        self.parts[name].append(seconds)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count the statements of all engines, with the commits."""
        listeners = [
            ("before_cursor_execute", self._begin),
            ("after_cursor_execute", self._end),
        ]
        for event, listener in listeners:
            sa.event.listen(sa.Engine, event, listener)
        try:
            yield
        finally:
            for event, listener in listeners:
                sa.event.remove(sa.Engine, event, listener)

    def _begin(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _end(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        seconds = time.perf_counter() - self._began
        text = _LISTS.sub("(…)", " ".join(statement.split()))
        self.by_part[self._part] += seconds  # type: ignore[assignment]
        self.seconds[text] += seconds  # type: ignore[assignment]
        self.counts[text] += 1

    def percentile(self, name: str, share: float) -> float:
        """A percentile of a part's calls, in milliseconds."""
        times = sorted(self.parts[name])
        return 1000 * times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


class ServerTime:
    """The processor time of PostgreSQL's processes that serve connections of a database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._last: dict[int, float] = {}
        self.seconds()

    def seconds(self) -> float:
        """Seconds since the last call; 0 of SQLite, which has no process of its own."""
        if self._engine.dialect.name != "postgresql":
            return 0.0
        with self._engine.connect() as connection:
            pids = connection.exec_driver_sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
            now = {pid: _cpu(pid) for pid in pids.scalars()}
        seconds = sum(used - self._last.get(pid, 0.0) for pid, used in now.items())
        self._last = now
        return seconds


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
