"""Copies the database at one moment, while the service runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from service.errors import BackupError
from service.storage.private_files import create_private_file


def backup(url: URL | str, target: Path) -> None:
    """Copy the database into a new file: SQLite as a database, PostgreSQL by pg_dump in its custom format.

    Only its owner may read it.

    Raises BackupError when the file exists or cannot be written; no partial file stays.
    """
    if target.exists():
        raise BackupError(f"{target} exists; name a file that does not")
    partial = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # of a copy that was killed
        create_private_file(partial)
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            _copy_sqlite(parsed, partial)
        else:
            _dump_postgresql(parsed, partial)
        partial.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"cannot write {target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _copy_sqlite(url: URL, target: Path) -> None:
    if not url.database or not Path(url.database).exists():
        raise BackupError(f"there is no database at {url.database}")
    with closing(sqlite3.connect(url.database)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _dump_postgresql(url: URL, target: Path) -> None:
    command = shutil.which("pg_dump")
    if command is None:
        raise BackupError("pg_dump is not installed; install PostgreSQL's client, or back up as your server does")
    # Everybody on the machine sees a command's arguments, so the password goes by the environment.
    plain = url._replace(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": url.password} if url.password else {}
    process = subprocess.run(
        [command, "--format=custom", f"--file={target}", plain],
        capture_output=True, text=True, check=False, env=os.environ | secret,
    )  # fmt: skip
    if process.returncode:
        raise BackupError(f"pg_dump: {process.stderr.strip()}")
