"""Hands what is new in studies to all who listen: one task looks at a study, however many follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from service.api.feed import Look, StudyFeed
from service.api.lazy_store import LazyStore
from service.errors import StorageError

_log = structlog.get_logger(__name__)
_PAUSE_SECONDS = 0.5  # between two looks
_MAX_PAUSE_SECONDS = 5.0
_MAX_BYTES_A_SECOND = 4e6  # to all listeners of a study: with many, looks are rarer, for sending takes from a sweep
_MAX_WAITING = 32  # parts that a listener has not taken yet


class Listener:
    """One who follows a study: takes the parts of its stream one by one."""

    def __init__(self, *, with_id: bool) -> None:
        self._with_id = with_id
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_WAITING)
        self._has_ended = False

    async def next(self, seconds: float) -> bytes | None:
        """Wait for the next part; None at the end. Raises TimeoutError when none comes in time."""
        async with asyncio.timeout(seconds):
            return await self._parts.get()

    def begin(self, feed: StudyFeed) -> None:
        """Put the opening of the stream."""
        self.put(feed.opening(with_id=self._with_id))

    def put(self, part: bytes | None) -> None:
        """Put a part, None for the end; one that is too slow to take the parts before is ended, and may come again."""
        if self._has_ended:
            return
        if self._parts.full():
            part = None
            while not self._parts.empty():
                self._parts.get_nowait()
        self._parts.put_nowait(part)
        self._has_ended = part is None


class _Channel:
    """A study that is followed, with its listeners."""

    def __init__(self, feed: StudyFeed) -> None:
        self.feed = feed
        self.listeners = set[Listener]()
        self.task: asyncio.Task[None] | None = None
        self._has_begun = False

    def join(self, listener: Listener) -> None:
        self.listeners.add(listener)
        if self._has_begun:
            listener.begin(self.feed)

    def tell(self, look: Look) -> int:
        """Tell the listeners what a look found; return the number of bytes."""
        self.feed.told = max(self.feed.told, look.position)
        if not self._has_begun and look.events:  # all that the first look finds is in the opening
            for listener in self.listeners:
                listener.begin(self.feed)
            self._has_begun = True
            news = look.closing
        else:
            news = look.events + look.closing
        for listener in self.listeners if news else ():
            listener.put(news)
        return len(news) * len(self.listeners)

    def end(self) -> None:
        for listener in self.listeners:
            listener.put(None)


class Hub:
    """The studies that are followed; lives in the event loop, and looks at the database in threads."""

    def __init__(self, lazy_store: LazyStore) -> None:
        self._lazy_store = lazy_store
        self._channels: dict[int, _Channel] = {}
        self._closing = asyncio.Event()

    @contextmanager
    def follow(self, study_id: int, *, with_id: bool) -> Iterator[Listener]:
        """Follow a study for as long as the `with` block lasts; `with_id` gives the opening an event id."""
        listener = Listener(with_id=with_id)
        channel = self._channels.get(study_id)
        if channel is None:
            channel = self._channels[study_id] = _Channel(StudyFeed(self._lazy_store.get(), study_id))
            channel.task = asyncio.create_task(self._serve(channel))
        channel.join(listener)
        try:
            yield listener
        finally:
            channel.listeners.discard(listener)

    def close(self) -> None:
        """End all streams."""
        self._closing.set()
        for channel in self._channels.values():
            channel.end()

    async def stop(self) -> None:
        """End all streams, and wait until nothing looks at the database any more."""
        self.close()
        await asyncio.gather(*(channel.task for channel in self._channels.values() if channel.task is not None))

    async def _serve(self, channel: _Channel) -> None:
        """Look at a study for as long as somebody listens and it is not over."""
        try:
            while channel.listeners and not self._closing.is_set():
                pause = await self._look(channel)
                if pause is None:
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)
        # A task that ended in silence would leave its listeners without news; ended, they come again.
        except Exception:  # noqa: BLE001
            _log.exception("a study is followed no more", study_id=channel.feed.study_id)
        finally:
            del self._channels[channel.feed.study_id]
            channel.end()

    async def _look(self, channel: _Channel) -> float | None:
        """Look once and tell the listeners; return the seconds to pause, None after the last look."""
        try:
            look = await run_in_threadpool(channel.feed.look)
        except (SQLAlchemyError, StorageError) as error:
            _log.warning("a study cannot be looked at; the next look tries again", error=str(error))
            return _MAX_PAUSE_SECONDS
        sent = channel.tell(look)
        if look.closing:
            return None
        return 0.0 if look.is_partial else min(max(_PAUSE_SECONDS, sent / _MAX_BYTES_A_SECOND), _MAX_PAUSE_SECONDS)
