"""The schema of the database: which one it has, and its upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import URL

from service.errors import MigrationError, StorageError
from service.storage.backup import backup, holds_the_same
from service.storage.database import connect, place, sqlite_file
from service.storage.database_errors import may_pass, reason
from service.storage.private_files import tighten_database
from service.storage.transactions import optuna_storage

HEAD = "0018"  # the newest revision in migrations/versions
_SCHEMA_LOCK = 0x72656773  # of PostgreSQL's advisory locks; any number that no other program in this database takes
VERSION_TABLE = "regsweep_version"  # Optuna keeps its own in alembic_version


def prepare(engine: sa.Engine) -> None:
    """Bring an empty or older database to this version's schema, Optuna's tables included.

    Raises StorageError when the database does not answer, BackupError when an older one cannot be copied first,
    MigrationError when it cannot be brought up or belongs to a newer version.
    """
    if engine.dialect.name == "sqlite" and engine.url.database:
        tighten_database(Path(engine.url.database))
    if _revision(engine) == HEAD:
        return
    with _exclusive(engine):
        revision = _known_revision(engine)
        if revision != HEAD:
            copy = None
            if revision is not None and engine.dialect.name == "sqlite" and engine.url.database:
                copy = copy_of(engine.url, Path(f"{engine.url.database}.{revision}.backup"))
            try:
                # Ours comes last: where our revision is recorded, Optuna's tables exist too.
                optuna_storage(engine.url, create=True).engine.dispose()
                _upgrade(engine)
            # A migration works on whatever an older version left, and what it raises may be anything.
            except Exception as error:
                if may_pass(error):
                    raise StorageError(f"the database {engine.url!r} does not answer: {reason(error)}") from error
                if revision is None:
                    raise
                raise MigrationError(_describe_failure(revision, copy, error)) from error


def copy_of(url: URL, path: Path) -> Path:
    """Copy the database into a new file of this name or a numbered one; return an earlier copy where it is the same."""
    earlier = []
    while path.exists():
        earlier.append(path)
        path = earlier[0].with_name(f"{earlier[0].name}.{len(earlier)}")
    # Compared before it is written: a server that starts again and again must not need the room of one more copy.
    same = next((one for one in earlier if holds_the_same(url, one)), None)
    if same is not None:
        return same
    backup(url, path)
    return path


def _describe_failure(revision: str, copy: Path | None, error: Exception) -> str:
    kept = "" if copy is None else f", and {copy} is a copy of it"
    return (
        f"the database's schema {revision} cannot become {HEAD} ({type(error).__name__}: {reason(error)}); it stays "
        f"as it was{kept}; go on with the version that wrote it, or mend that and start again"
    )


def check(url: str, *, must_exist: bool = False) -> None:
    """Check a database without changing it.

    Raises StorageError when the URL makes no sense, when its database belongs to a newer version, or when it must exist
    and does not.
    """
    if must_exist and not exists(url):
        where = "give --database-url, or run in the folder where `regsweep run` or `regsweep serve` was"
        raise StorageError(f"there is no database at {place(url)}; {where}")
    engine = connect(url)
    try:
        _known_revision(engine)
    finally:
        engine.dispose()


def exists(url: str) -> bool:
    """Return whether a database has our tables; makes neither a file nor a folder.

    Raises StorageError when the URL makes no sense or the database does not answer.
    """
    return _revision_at(url) is not None


def is_current(url: str) -> bool:
    """Return whether a database has this version's schema, so that opening it changes nothing; makes none.

    Raises StorageError as `exists` does.
    """
    return _revision_at(url) == HEAD


def check_current(engine: sa.Engine) -> None:
    """Raise MigrationError when a database has not, or has no more, this version's schema."""
    if (revision := _revision(engine)) != HEAD:
        raise MigrationError(f"the database has schema {revision}, and this version's is {HEAD}")


def check_writable(engine: sa.Engine) -> None:
    """Write a row as it is, so that a disk that is full or a database that only reads shows.

    Raises SQLAlchemy's errors when that fails, or when others hold the write lock for too long.
    """
    table = sa.table(VERSION_TABLE, sa.column("version_num"))
    with engine.begin() as connection:
        connection.execute(sa.update(table).values(version_num=table.c.version_num))


def _revision_at(url: str) -> str | None:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None
    engine = connect(url)
    try:
        return _revision(engine)
    finally:
        engine.dispose()


def _known_revision(engine: sa.Engine) -> str | None:
    revision = _revision(engine)
    if revision is not None and revision > HEAD:
        raise MigrationError(
            f"the database has schema {revision} and this regsweep knows {HEAD}; install a newer regsweep"
        )
    return revision


def _revision(engine: sa.Engine) -> str | None:
    table = sa.table(VERSION_TABLE, sa.column("version_num"))
    try:
        with engine.connect().execution_options(reads=True) as connection:
            if not sa.inspect(connection).has_table(VERSION_TABLE):
                return None
            return connection.execute(sa.select(table.c.version_num)).scalar()
    except sa.exc.DBAPIError as error:
        raise StorageError(f"the database {engine.url!r} does not answer: {error.orig}") from error


@contextmanager
def _exclusive(engine: sa.Engine) -> Iterator[None]:
    """Hold the schema's lock: on SQLite a file beside the database, on PostgreSQL an advisory lock."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            yield
    elif engine.url.database:
        lock = FileLock(f"{engine.url.database}.lock")
        try:
            lock.acquire()
        except OSError as error:
            reason = f"{lock.lock_file} cannot be made ({error.strerror or error})"
            raise StorageError(f"the database's schema cannot be made or changed: {reason}") from error
        with lock:
            lock.release()  # of the two holds that it now has, the first
            yield
    else:
        yield


def _upgrade(engine: sa.Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "service.storage:migrations")
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
