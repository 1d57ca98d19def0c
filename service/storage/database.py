"""The database: engines, SQLite's pragmas, the clock, the schema's upgrade, and transactions over two schemas."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.sql.functions import FunctionElement

from service import audit
from service.errors import MigrationError, StorageError
from service.extras import needing
from service.storage.backup import backup, holds_the_same
from service.storage.private_files import create_private_file, create_private_folder, tighten_database

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

HEAD = "0016"  # the newest revision in migrations/versions
_SCHEMA_LOCK = 0x72656773  # of PostgreSQL's advisory locks; any number that no other program in this database takes
VERSION_TABLE = "regsweep_version"  # Optuna keeps its own in alembic_version
_NOTES = "audit"  # of a session's info
_BUSY_SECONDS = 30.0  # a writer waits for another at most; `?timeout=` of the URL overrides it


class unix_now(FunctionElement[float]):  # noqa: N801  # SQL functions are written small
    """Seconds since 1970 by the database's clock, so that workers' clocks do not matter."""

    type = sa.Float()
    inherit_cache = True


@compiles(unix_now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(unix_now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def connect(url: str) -> sa.Engine:
    """Make an engine; SQLite gets write-ahead logging and transactions that take the write lock when they begin.

    Raises StorageError when the URL makes no sense or SQLite's folder cannot be made, and ExtraMissingError when the
    driver is not installed.
    """
    parsed = parse(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            _make_file(parsed)
        with needing(f"REGSWEEP_DATABASE_URL ({parsed.drivername})"):
            engine = sa.create_engine(parsed, **engine_options(url))
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StorageError(f"--database-url (or REGSWEEP_DATABASE_URL): {error}") from error
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
        options = {"pool_pre_ping": True}
        # A client that is stopped inside a transaction, as by SIGSTOP, would hold its rows until it goes on.
        arguments = {"options": f"-c idle_in_transaction_session_timeout={int(_BUSY_SECONDS)}s"}
    return options | {"connect_args": {key: value for key, value in arguments.items() if key not in parsed.query}}


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


def _make_file(url: URL) -> None:
    """Make an empty database that only its owner reads; SQLite would make one that all do."""
    if not url.database or url.database.startswith((":memory:", "file:")):
        return
    path = Path(url.database)
    try:
        create_private_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot make the folder of {path}: {error.strerror}") from error
    with suppress(OSError):  # SQLite says what is wrong with it
        create_private_file(path)


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
                    raise StorageError(f"the database {engine.url!r} does not answer: {_reason(error)}") from error
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


def may_pass(error: BaseException | None) -> bool:
    """Return whether the same statement may do at another try: the database was away, busy or full.

    PostgreSQL's driver has another class for a statement that cannot work; SQLite's has only another code.
    """
    if error is not None and not isinstance(error, sa.exc.SQLAlchemyError):
        return may_pass(error.__cause__)  # of Optuna's storage, which has an error of its own for all of them
    if exceeds_limit(error):
        return False
    if isinstance(error, sa.exc.OperationalError) and isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF != sqlite3.SQLITE_ERROR
    is_lost = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    return is_lost or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError)


def exceeds_limit(error: BaseException | None) -> bool:
    """Return whether a statement or a row is larger than PostgreSQL takes ("program limit exceeded")."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return str(state or "").startswith("54")  # its class of errors


def _describe_failure(revision: str, copy: Path | None, error: Exception) -> str:
    kept = "" if copy is None else f", and {copy} is a copy of it"
    return (
        f"the database's schema {revision} cannot become {HEAD} ({type(error).__name__}: {_reason(error)}); it stays "
        f"as it was{kept}; go on with the version that wrote it, or mend that and start again"
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", error)).partition("\n")[0]


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


class JoinableSession(Session):
    """A session whose commits can wait for the end of a larger transaction.

    Optuna's storage commits in each of its methods; inside `transaction` those commits only flush, so that several of
    its methods and statements of ours stand or fall together.
    """

    joined = False

    def commit(self) -> None:
        """Commit, or only flush while a larger transaction is open."""
        if self.joined:
            self.flush()
        else:
            super().commit()

    def close(self) -> None:
        """Close, unless a larger transaction is open."""
        if not self.joined:
            super().close()

    def rollback(self) -> None:
        """Roll back; inside `transaction` this aborts the outer transaction."""
        super().rollback()
        if self.joined:
            raise _TransactionLostError from sys.exception()


class _TransactionLostError(Exception):
    """Carries the error that aborted an outer transaction past code that would swallow it."""


@contextmanager
def transaction(storage: RDBStorage) -> Iterator[Session]:
    """Open one transaction over our tables and Optuna's, for our statements and methods of Optuna's storage."""
    session: JoinableSession = storage.scoped_session()  # type: ignore[assignment]  # as optuna_storage has set it
    session.joined = True
    session.info.pop(_NOTES, None)
    try:
        yield session
        session.joined = False
        session.commit()
        _write_notes(session)
    except _TransactionLostError as lost:
        session.joined = False
        raise lost.__cause__ or lost from None
    # Also on Ctrl-C: nothing of the block is kept, whatever ends it.
    except BaseException:
        session.joined = False
        session.rollback()
        raise
    finally:
        session.close()


def note(session: Session, event: str, study_id: int, **ids: object) -> None:
    """Note an event of the audit about a study; its line is written once the `transaction` has committed.

    Of several notes of one event about one study the last is written.
    """
    session.info.setdefault(_NOTES, {})[event, study_id] = ids


def _write_notes(session: Session) -> None:
    for (event, study_id), ids in session.info.pop(_NOTES, {}).items():
        audit.record(event, study_id=study_id, **ids)


def optuna_storage(
    url: URL | str, *, create: bool = False, reads: bool = False, kind: type[RDBStorage] | None = None
) -> RDBStorage:
    """Make Optuna's storage, or a `kind` of it, on the same database.

    With `reads` it never takes the write lock, as for a dashboard.
    """
    import optuna
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage

    # By import Optuna installs a log handler that prints every study it makes.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plain = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    try:
        storage = (kind or RDBStorage)(plain, engine_kwargs=engine_options(plain), skip_table_creation=not create)
    except StorageInternalError as error:
        raise error.__cause__ or error from None
    # Of Optuna's check of its tables, whose advice is a command that would change them behind our back.
    except RuntimeError as error:
        raise MigrationError(
            f"Optuna's tables in this database are of another version than Optuna {optuna.__version__} here; install "
            f"the version of regsweep and Optuna that wrote them ({str(error).partition('. ')[0]})"
        ) from error
    begin_at_once(storage.engine)
    bind = storage.engine.execution_options(reads=True) if reads else storage.engine
    storage.scoped_session = scoped_session(sessionmaker(bind, class_=JoinableSession))
    return storage
