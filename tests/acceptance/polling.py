"""The one way tests wait: for a condition, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], seconds: float = 90.0) -> Found:
    """What `look` gives once it is true; an AssertionError when it is not within the deadline."""
    ends, pause = time.monotonic() + seconds, 0.02
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {seconds} seconds; the last look gave {found!r}"
        time.sleep(pause)
        pause = min(1.3 * pause, 0.25)  # a look may be a request, which the machine must answer as well
