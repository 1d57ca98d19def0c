"""Lets one server at a time keep the workers of a database; the others wait to take over."""

from __future__ import annotations

import os
import socket

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from service.storage.store import Store

_LOCK = 0x7265676B  # of PostgreSQL's advisory locks, see storage.locking for the others
#: PostgreSQL lets go of the lock of a machine that is gone without a word after 25 seconds; its own time is 2 hours.
_KEEPALIVE = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
_MAX_NAME = 63  # bytes, of PostgreSQL


class KeeperLock:
    """A lock of PostgreSQL's that lasts as long as the connection it was taken on."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: sa.Connection | None = None

    def take(self) -> bool:
        """Take the lock; return whether this process has it.

        Raises SQLAlchemyError when the database is away.
        """
        connection = self._engine.connect()
        connection.detach()  # from the pool, which must not hand it to anybody else
        try:
            settings = {"application_name": _own_name()} | {name: str(value) for name, value in _KEEPALIVE.items()}
            connection.execute(sa.select(*(sa.func.set_config(*pair, False) for pair in settings.items())))
            if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK))):
                self._connection = connection
        finally:
            if self._connection is not connection:
                connection.close()
        return self._connection is connection

    def is_held(self) -> bool:
        """Return whether this process has it still; the database drops it when it restarts."""
        if self._connection is None:
            return False
        try:
            self._connection.execute(sa.text("SELECT 1"))
        except SQLAlchemyError:
            self.release()
        return self._connection is not None

    def holder(self) -> str:
        """Say who has it, by host and process."""
        query = sa.text(
            "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
            "WHERE locktype = 'advisory' AND objid = :lock AND granted AND datname = current_database()"
        )
        with self._engine.connect() as connection:
            return connection.scalar(query, {"lock": _LOCK}) or "another server"

    def release(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _own_name() -> str:
    return f"regsweep on {socket.gethostname()}, process {os.getppid()}"[:_MAX_NAME]
