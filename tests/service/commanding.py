"""The command line in this process; tests/acceptance runs it in processes of its own."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from service.cli.main import main


@dataclass(frozen=True)
class Completed:
    """What a command printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_command(*arguments: str, **variables: str) -> Completed:
    """Run `regsweep …` with these variables, and no other of ours, in its environment."""
    return _run(arguments, variables, io.StringIO())


def run_at_terminal(*arguments: str, **variables: str) -> Completed:
    """Run it as `run_command` does, its standard error a terminal."""
    return _run(arguments, variables, _Terminal())


def _run(arguments: Sequence[str], variables: Mapping[str, str], err: io.StringIO) -> Completed:
    # xdist gives its workers COLUMNS.
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(("REGSWEEP_", "COLUMNS"))}
    out, status = io.StringIO(), 0
    root = logging.getLogger()
    with (
        patch.dict(os.environ, {**theirs, **variables}, clear=True),
        patch("sys.argv", ["regsweep", *arguments]),
        patch.object(root, "handlers", root.handlers[:]),  # a command that logs puts one on its own standard error
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = _status(end.code)
    return Completed(status, out.getvalue(), err.getvalue())


def _status(code: str | int | None) -> int:
    """The exit status that Python leaves with; it prints a sentence, and leaves with 1."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    return 1 if isinstance(code, str) else code or 0


def regsweep(url: str, *arguments: str, columns: int = 80) -> Completed:
    """Run `regsweep …` with a server in its environment, on a terminal of so many columns."""
    return run_command(*arguments, REGSWEEP_SERVER_URL=url, COLUMNS=str(columns))


def study_file(folder: Path, document: dict[str, Any], name: str = "study.yaml") -> str:
    path = folder / name
    path.write_text(yaml.safe_dump(document))
    return str(path)
