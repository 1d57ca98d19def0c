"""Slows those who send keys that are of no use: counts their failures by address, in memory."""

from __future__ import annotations

import ipaddress
import time
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from service.errors import RateLimitedError

if TYPE_CHECKING:
    from limits.storage import MemoryStorage

REASON = "regsweep.refused_because"  # where a request's scope has the reason, for its line in the audit
_WINDOW_SECONDS = 60
_MAX_ADDRESSES = 10_000  # that are counted one by one; further ones share a count
_OTHERS = "others"
_IPV6_PREFIX = 64  # one customer has at least so many addresses


class FailedKeys:
    """The failures of the last minute. A key that is right passes from every address, and counts nowhere."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    @cached_property
    def _counts(self) -> MemoryStorage:
        from limits.storage import MemoryStorage  # which takes a fifth of a server's start

        return MemoryStorage()

    def count(self, request: HTTPConnection, reason: str) -> None:
        """Count a failure, and leave its reason to the request's line in the audit.

        Raises RateLimitedError when its address had too many within a minute.
        """
        request.scope[REASON] = reason
        client = _client(request)
        if client not in self._counts.storage and len(self._counts.storage) >= _MAX_ADDRESSES:
            client = _OTHERS
        count = self._counts.incr(client, _WINDOW_SECONDS)
        if count <= self._limit:
            return
        seconds = max(1, ceil(self._counts.get_expiry(client) - time.time()))
        raise RateLimitedError(
            f"{reason}, and more than {self._limit} from this address failed within a minute; wait {seconds} seconds "
            "before the next",
            seconds,
        )


def _client(request: HTTPConnection) -> str:
    """The address behind a request, or of IPv6 the network that it is in."""
    if request.client is None:
        return "unknown"
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:  # of a test, or what a proxy took for one
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))
