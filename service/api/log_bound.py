"""Keeps what strangers can cause again and again from filling the log."""

from __future__ import annotations

import logging
import time

_SECONDS = 60.0
_MAX_KEPT = 100


class OnceAMinute(logging.Filter):
    """Passes each warning of a logger at most once a minute; errors pass, or with `all_alike` one record in all."""

    def __init__(self, *, all_alike: bool = False) -> None:
        super().__init__()
        self._all_alike = all_alike
        self._passed_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged."""
        if self._all_alike:
            return self.may(record.name)
        return record.levelno != logging.WARNING or self.may(str(record.msg))

    def may(self, what: str) -> bool:
        """Return whether so long has gone since this was logged."""
        now = time.monotonic()
        if now - self._passed_at.get(what, -_SECONDS) < _SECONDS:
            return False
        if len(self._passed_at) >= _MAX_KEPT:
            self._passed_at.clear()
        self._passed_at[what] = now
        return True
