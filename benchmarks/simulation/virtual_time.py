"""Virtual time: tasks that wait cost none of the real one."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from itertools import count

from greenlet import GreenletExit, getcurrent, greenlet


class VirtualTime:
    """Runs tasks one at a time, each until it sleeps, in the order of virtual time; a clock of studies.sweep."""

    def __init__(self) -> None:
        self._now, self._order = 0.0, count()
        self._hub = getcurrent()
        self._due: list[tuple[float, int, Callable[[], object]]] = []

    def monotonic(self) -> float:
        """Seconds since the simulation began."""
        return self._now

    def sleep(self, seconds: float, /) -> None:
        """Let others go on until the time has come."""
        self._wake(getcurrent(), seconds)
        self._hub.switch()

    def start(self, work: Callable[[], object], after: float = 0.0) -> greenlet:
        """Start a task; it may be ended by `kill`."""
        task = greenlet(work, parent=self._hub)
        self._wake(task, after)
        return task

    def kill(self, task: greenlet) -> None:
        """End a task that sleeps, as a node that dies: nothing of it is carried out any more."""
        self._at(self._now, partial(task.throw, GreenletExit))  # by the hub, to which a task that ends gives way

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Go on until no task is left, or until the condition holds; then again if called again."""
        while self._due and not until():
            self._now, _, resume = heapq.heappop(self._due)
            resume()

    def _wake(self, task: greenlet, seconds: float) -> None:
        self._at(self._now + seconds, lambda: None if task.dead else task.switch())

    def _at(self, instant: float, resume: Callable[[], object]) -> None:
        heapq.heappush(self._due, (instant, next(self._order), resume))
