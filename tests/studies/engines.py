"""Engines that all tests of a process share, so that a program they have in common is compiled once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studies.training.engines import Engines


@cache
def shared_engines() -> Engines:
    """Engines that measure nothing and keep nothing on disk."""
    from studies.training.engines import Engines

    return Engines(None, 0.2, None)
