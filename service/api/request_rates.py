"""Counts the requests of each API key, in this process, and refuses those above its rate."""

from __future__ import annotations

import time
from math import ceil

from service.errors import RateLimitedError


class RequestRates:
    """At most so many requests of a key in any minute; None for no limit.

    It remembers the instants of a minute's requests, at most as many as are allowed for each key that exists.
    """

    def __init__(self, requests_a_minute: int | None) -> None:
        self._limit = None
        if requests_a_minute is not None:
            # Its import takes as long as the rest of a server's start, and few servers count.
            from limits import RateLimitItemPerMinute
            from limits.storage import MemoryStorage
            from limits.strategies import MovingWindowRateLimiter

            self._limit = RateLimitItemPerMinute(requests_a_minute)
            self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, key_id: str, name: str) -> None:
        """Count a request of a key.

        Raises RateLimitedError when the key has sent its minute's.
        """
        if self._limit is None or self._limiter.hit(self._limit, key_id):
            return
        seconds = max(1, ceil(self._limiter.get_window_stats(self._limit, key_id).reset_time - time.time()))
        raise RateLimitedError(
            f"the key '{name}' may send {self._limit.amount:,} requests a minute (quota requests_a_minute) and has; "
            f"in {seconds} seconds it may send another",
            seconds,
        )
