"""Has glibc give back what was freed, which it keeps for as long as the process lives; elsewhere nothing is done."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # of malloc.h


def bound_arenas() -> None:
    """Let all threads take their memory from two arenas.

    glibc gives each thread one of its own, up to eight for each core, and what was freed in one is of no use to others.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def give_back() -> None:
    """Give what is free to the system; takes some milliseconds."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
