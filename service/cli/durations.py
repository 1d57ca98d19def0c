"""Durations as people write them: 90d, 24h, 30m."""

from __future__ import annotations

import re

from service.cli.options import refuse

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_MAX_SECONDS = 100 * 365 * _SECONDS["d"]  # a date later than that has no use, and some are none


def parse_duration(flag: str, text: str, *, least: float = 1.0) -> float:
    """Read a duration; return seconds. Another text, or one that is too short or too long, ends the command."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw])", text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else -1.0
    if not least <= seconds <= _MAX_SECONDS:
        refuse(f"{flag}: must be a number with s, m, h, d or w, as 24h or 90d, of at most 100 years")
    return seconds
