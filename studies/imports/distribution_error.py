"""The error of values that no study draws so."""

from __future__ import annotations


class DistributionError(Exception):
    """A distribution that no study has; `part` is the option in the way, empty where it is the whole."""

    def __init__(self, reason: str, part: str = "") -> None:
        self.part = part
        super().__init__(reason)
