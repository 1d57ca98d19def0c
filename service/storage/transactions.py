"""Transactions over our tables and Optuna's, and what the audit is told of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from service import audit
from service.errors import MigrationError
from service.storage.database import begin_at_once, engine_options

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_NOTES = "audit"  # of a session's info


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
