"""What an error of the database means: whether another try may pass, what is too large."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa


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


def reason(error: Exception) -> str:
    """The first line of what the database says."""
    return str(getattr(error, "orig", error)).partition("\n")[0]
