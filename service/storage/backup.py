"""Copies the database at one moment, while the service runs."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

import sqlalchemy as sa
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


def holds_the_same(url: URL, copy: Path) -> bool:
    """Return whether an earlier copy of an SQLite database holds what the database does now."""
    if not url.database or not Path(url.database).exists():
        return False
    # Nothing of the copy is written, not even the files of a write-ahead log.
    address = f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(url.database)) as here, closing(sqlite3.connect(address, uri=True)) as there:
            here.execute("BEGIN")
            rows = [one.execute("PRAGMA page_count").fetchone() for one in (here, there)]
            return rows[0] == rows[1] and all(a == b for a, b in zip_longest(here.iterdump(), there.iterdump()))
    except sqlite3.DatabaseError:  # the file is no copy
        return False


def _server_major(url: URL) -> int:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
    except sa.exc.SQLAlchemyError as error:
        raise BackupError(f"the database does not answer: {getattr(error, 'orig', None) or error}") from error
    finally:
        engine.dispose()


def _program_major(command: str) -> int | None:
    """The major version of a pg_dump; None where it does not say it as usual."""
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", told)
    return None if found is None else int(found[1])


def _dump_postgresql(url: URL, target: Path) -> None:
    command, needed = shutil.which("pg_dump"), _server_major(url)
    advice = f"install PostgreSQL {needed}'s client (postgresql-client-{needed}), or back up as your server does"
    if command is None:
        raise BackupError(f"pg_dump is not installed; {advice}")
    if (here := _program_major(command)) is not None and here < needed:
        raise BackupError(f"{command} is of PostgreSQL {here}, and a server of {needed} needs one as new; {advice}")
    # Everybody on the machine sees a command's arguments, so the password goes by the environment.
    plain = url._replace(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": url.password} if url.password else {}
    process = subprocess.run(
        [command, "--format=custom", f"--file={target}", plain],
        capture_output=True, text=True, check=False, env=os.environ | secret,
    )  # fmt: skip
    if process.returncode:
        raise BackupError(f"pg_dump: {process.stderr.strip()}")
