"""Named points at which tests can make a process die; they cost nothing when off."""

from __future__ import annotations

import os
import signal

_armed: dict[str, int] = {}


def arm(text: str | None) -> None:
    """Arm points from `NAME:COUNT`, several behind commas: the process dies when it reaches one the COUNTth time."""
    for part in filter(None, (text or "").split(",")):
        name, _, count = part.partition(":")
        _armed[name] = int(count or 1)


def point(name: str) -> None:
    """Die here by SIGKILL, when armed."""
    if not _armed or name not in _armed:
        return
    _armed[name] -= 1
    if not _armed[name]:
        os.kill(os.getpid(), signal.SIGKILL)
