"""The command line of a child process of ours."""

from __future__ import annotations

import sys


def regsweep_command(*arguments: str) -> list[str]:
    """Run `regsweep …` in a child process.

    `-P` keeps the working directory off Python's path, where a user's `queue.py`, `studies.py` or `service/` would be
    imported in place of Python's and of ours.
    """
    return [sys.executable, "-P", "-m", "service.cli.main", *arguments]
