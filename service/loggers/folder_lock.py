"""Keeps two programs from writing to one folder at once, also over processes; the lock ends with its holder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Wait until no other program writes to a folder, and keep others waiting meanwhile."""
    with (folder / ".regsweep.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
