"""Lets requests that ask for the same share one read of the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

Found = TypeVar("Found")

_KEPT_SECONDS = 1.0  # though nothing was written: ages, estimates and the end of a key follow the clock
_MAX_KEPT = 32


@dataclass(frozen=True, slots=True)
class _Kept:
    found: Any
    version: int
    at: float  # by the monotonic clock


class SharedReads:
    """Reads once for all who ask before something is written, or before the read began.

    Each sees what was committed when it asked, or later. `version` changes with every commit; where it is None nothing
    is known of others, and only those who wait at once share a read.
    """

    def __init__(self, version: Callable[[], int | None]) -> None:
        self._version = version
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}
        self._kept: dict[Hashable, _Kept] = {}

    async def read(self, key: Hashable, read: Callable[[], Found]) -> Found:
        """What `read` returns or raises, run in a thread; who asks by the same key must ask for the same."""
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept.at < _KEPT_SECONDS and kept.version == self._version():
            found: Found = kept.found
            return found
        task = self._next.get(key)
        if task is None:
            running = self._running.get(key)
            task = asyncio.create_task(self._run(key, read, running))
            task.add_done_callback(_look_at)
            # One that runs may have begun before what the asker knows of was written.
            (self._running if running is None else self._next)[key] = task
        return await asyncio.shield(task)  # whoever leaves does not take it from the others

    async def _run(self, key: Hashable, read: Callable[[], Found], before: asyncio.Task[Any] | None) -> Found:
        if before is not None:
            await asyncio.wait([before])
            self._running[key] = self._next.pop(key)
        try:
            version, at = self._version(), time.monotonic()
            found = await run_in_threadpool(read)
            self._keep(key, found, version, at)
            return found
        finally:
            if key not in self._next:
                del self._running[key]

    def _keep(self, key: Hashable, found: Found, version: int | None, at: float) -> None:
        self._kept.pop(key, None)
        if version is None:
            return
        if len(self._kept) >= _MAX_KEPT:
            del self._kept[next(iter(self._kept))]  # the oldest
        self._kept[key] = _Kept(found, version, at)


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take the error of a read whose askers have all left, or asyncio logs it."""
    if not task.cancelled():
        task.exception()
