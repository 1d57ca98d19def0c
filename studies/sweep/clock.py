"""The clock of a sweep: Python's, or a simulation's."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """What a sweep needs of the module `time`."""

    def monotonic(self) -> float:
        """Seconds since any instant; it never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
