"""The command line and the environment of a child process of ours."""

from __future__ import annotations

import os
import sys

_WITHHELD = ("REGSWEEP_", "AWS_")  # settings that a child that reads strangers' data does not need, secrets among them


def regsweep_command(*arguments: str) -> list[str]:
    """Run `regsweep …` in a child process."""
    return module_command("service.cli.main", *arguments)


def module_command(module: str, *arguments: str) -> list[str]:
    """Run a module of ours in a child process.

    `-P` keeps the working directory off Python's path, where a user's `queue.py`, `studies.py` or `service/` would be
    imported in place of Python's and of ours.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment_without_secrets() -> dict[str, str]:
    """The environment of a child process that reads what strangers sent."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
