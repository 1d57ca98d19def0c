"""The database: where it is, its connections, and SQLite's pragmas."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from service.errors import StorageError
from service.extras import needing
from service.storage import sole_host
from service.storage.private_files import create_private_file, create_private_folder

_BUSY_SECONDS = 30.0  # a writer waits for another at most; `?timeout=` of the URL overrides it
_UNUSED_SECONDS = 1.0  # after which a connection is asked whether it is still there


def connect(url: str) -> sa.Engine:
    """Make an engine; SQLite gets write-ahead logging and transactions that take the write lock when they begin.

    Raises StorageError when the URL makes no sense, SQLite's folder cannot be made or another host uses its file, and
    ExtraMissingError when the driver is not installed.
    """
    parsed = parse(url)
    file = _file_of(parsed)
    try:
        if file is not None:
            _make_file(file)
        with needing(f"REGSWEEP_DATABASE_URL ({parsed.drivername})"):
            engine = sa.create_engine(parsed, **engine_options(url))
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StorageError(f"--database-url (or REGSWEEP_DATABASE_URL): {error}") from error
    # For as long as the engine may connect.
    if file is not None and (held := sole_host.hold(file)) is not None:
        weakref.finalize(engine, os.close, held)
    begin_at_once(engine)
    return engine


def engine_options(url: str) -> dict[str, Any]:
    """The options of every engine of the project."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        # As a pool event, so that Optuna's storage has it from its first connection on.
        options: dict[str, Any] = {"pool_events": [(_set_pragmas, "connect")]}
        arguments: dict[str, Any] = {"timeout": _BUSY_SECONDS}
    else:
        options = {"pool_events": [(_note_use, "connect"), (_note_use, "checkin"), (_check_unused, "checkout")]}
        # A client that is stopped inside a transaction, as by SIGSTOP, would hold its rows until it goes on.
        arguments = {"options": f"-c idle_in_transaction_session_timeout={int(_BUSY_SECONDS)}s"}
    return options | {"connect_args": {key: value for key, value in arguments.items() if key not in parsed.query}}


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _check_unused(connection: Any, record: Any, _proxy: Any) -> None:
    """Replace a connection that the server has closed; SQLAlchemy's own check would ask before every transaction."""
    if time.monotonic() - record.info["used_at"] < _UNUSED_SECONDS:
        return
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except connection.OperationalError as error:
        raise sa.exc.DisconnectionError(str(error)) from error


def _set_pragmas(connection: Any, _record: Any) -> None:
    # SQLite's own leaves all letters but those of ASCII as they are.
    connection.create_function("lower", 1, _lower, deterministic=True)
    # The driver would begin transactions by itself, and only at the first write.
    connection.isolation_level = None
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _lower(text: Any) -> str | None:
    return None if text is None else str(text).casefold()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Turn write-ahead logging on, which stays with the file.

    While another connection does the same to a new file SQLite answers "locked" at once, whatever the busy timeout.
    """
    ends = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(0.01)


def begin_at_once(engine: sa.Engine) -> None:
    """Make SQLite's transactions take the write lock when they begin.

    Otherwise two workers can both read and then both write on what they read. Connections with the execution option
    `reads` begin plainly: under write-ahead logging they never wait.
    """
    if engine.dialect.name != "sqlite":
        return

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def reading(engine: sa.Engine) -> sa.Engine:
    """The engine for transactions that only read: they see one snapshot and never wait for writers."""
    options: dict[str, Any] = {"reads": True}
    if engine.dialect.name == "postgresql":  # where each statement would see a snapshot of its own
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return engine.execution_options(**options)


def _file_of(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return None
    return Path(url.database)


def _make_file(path: Path) -> None:
    """Make an empty database that only its owner reads; SQLite would make one that all do."""
    try:
        create_private_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot make the folder of {path}: {error.strerror}") from error
    with suppress(OSError):  # SQLite says what is wrong with it
        create_private_file(path)


def place(url: str) -> str:
    """Where a database is, for people: a file's whole path, or the URL without its password."""
    file = sqlite_file(url)
    return parse(url).render_as_string() if file is None else str(file.resolve())


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None of another, or of one in memory.

    Raises StorageError when the URL makes no sense.
    """
    parsed = parse(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def parse(url: str) -> URL:
    """Read a URL of SQLAlchemy's.

    Raises StorageError when it makes no sense.
    """
    try:
        return make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:  # the latter of a port that is no number
        raise StorageError(f"--database-url (or REGSWEEP_DATABASE_URL): {error}") from error
