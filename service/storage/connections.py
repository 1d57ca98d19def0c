"""The connections of a store: sessions that read, and transactions over our tables or over Optuna's too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Self

from sqlalchemy.orm import Session, sessionmaker

from service.storage import database, schema, transactions
from service.storage.access import Access

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


class Connections:
    """A database of this version's schema, of which every session sees what its `access` may."""

    def __init__(self, url: str, access: Access | None = None) -> None:
        self.url, self.access = url, access or Access()
        self._opened = self  # which has Optuna's storage, also for those who share the connections
        self.engine = database.connect(url)
        try:
            schema.prepare(self.engine)
        finally:
            # A store that could not be made has no owner to close it; one that was made connects again.
            self.engine.dispose()
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        self._read = sessionmaker(database.reading(self.engine), expire_on_commit=False)

    def accessed_by(self, access: Access) -> Self:
        """The same store as somebody else may use it."""
        store = copy(self)
        store.access = access
        return store

    @property
    def optuna(self) -> RDBStorage:
        """Optuna's storage on the same database; made when first needed, for Optuna is slow to import."""
        return self._opened._optuna

    @cached_property
    def _optuna(self) -> RDBStorage:
        return transactions.optuna_storage(self.url)

    def reading(self) -> Session:
        """A session that only reads; it never waits for writers."""
        session = self._read()
        self.access.limit(session)
        return session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction over our tables alone; commits at the block's end."""
        with self._write.begin() as session:
            self.access.limit(session)
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction over our tables and Optuna's; commits at the block's end."""
        with transactions.transaction(self.optuna) as session, self.access.limiting(session):
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        if "_optuna" in self.__dict__:
            self.optuna.engine.dispose()
