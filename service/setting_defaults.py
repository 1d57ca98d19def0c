"""What settings are where nobody sets them."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from studies.training.machine import usable_cpus

#: The file in a URL of SQLAlchemy's, which a light install does not have.
_SQLITE_FILE = re.compile(r"sqlite(?:\+\w+)?:///(?!:memory:|file:)([^?]+)")
DATABASE, ARTIFACTS = Path("data/regsweep.db"), Path("data/artifacts")


def count_cores() -> int:
    """The whole cores that this process may use, at least one."""
    return max(1, int(usable_cpus()))


def default_cache_folder() -> Path:
    """The user's folder for caches, or that of temporary files."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "regsweep")
    except RuntimeError:  # a container's user without a home
        return Path(tempfile.gettempdir(), "regsweep")


def default_artifacts_url(settings: dict[str, Any]) -> str:
    """The folder beside an SQLite database, else `data/artifacts`."""
    file = file_of_sqlite(settings.get("database_url", ""))
    return f"file://{ARTIFACTS if file is None else folder_beside(file)}"


def file_of_sqlite(url: str) -> Path | None:
    """The file of an SQLite database; None of another."""
    match = _SQLITE_FILE.match(url)
    return None if match is None else Path(match[1])


def folder_beside(database: Path) -> Path:
    """The folder of a database's files where none is named: beside it, and never that of another database.

    Files are named by the ids of studies, so that two databases with one folder would overwrite each other's.
    """
    if database.name == DATABASE.name:
        return database.with_name("artifacts")
    is_plain = database.suffix == ".db"
    return database.with_suffix(".artifacts") if is_plain else database.with_name(f"{database.name}-artifacts")
