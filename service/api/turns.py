"""Lets requests that take much wait for their turn: so many at once, and half of them of one key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from fastapi import Request

from service.errors import BusyError

_WAIT_SECONDS = 30.0


class Turns:
    """Lets so many requests do something at once, half of them of one API key, and one that is large."""

    def __init__(self, most: int, what: str, wait_seconds: float = _WAIT_SECONDS) -> None:
        self._what, self._wait_seconds = what, wait_seconds
        self._all, self._large = asyncio.Semaphore(most), asyncio.Semaphore(1)
        self._most_of_key = max(1, most // 2)
        self._of_key: WeakValueDictionary[str | None, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, key_name: str | None, *, is_large: bool = False) -> AsyncIterator[None]:
        """Wait for a turn, which lasts as long as the block.

        Raises BusyError when none comes.
        """
        of_key = self._of_key.setdefault(key_name, asyncio.Semaphore(self._most_of_key))
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._wait_seconds):
                    for turn in (of_key, *([self._large] if is_large else []), self._all):
                        await stack.enter_async_context(turn)
            except TimeoutError as error:
                waited = f"this one has waited for {self._wait_seconds:.0f} seconds; send it again later"
                raise BusyError(f"{self._what} and {waited}") from error
            yield


def key_name(request: Request) -> str | None:
    """The name of the key that a request came with; None without one."""
    key = getattr(request.state, "key", None)
    return None if key is None else str(key.name)
