"""Opens the store once, when it is first needed."""

from __future__ import annotations

import threading

from service.errors import MigrationError
from service.storage.store import Store


class LazyStore:
    """The store of an app, opened by the first caller of `get`.

    The app opens it beside its start: an empty database, whose tables take a second to make, must not delay the first
    answer. While the database does not answer, every call tries again; a migration that failed is not repeated.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._store: Store | None = None
        self._failure: MigrationError | None = None
        self._lock = threading.Lock()

    def get(self) -> Store:
        """Open the store if it is not open yet, and return it."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._store is None:
                try:
                    self._store = Store(self._database_url)
                except MigrationError as error:
                    self._failure = error
                    raise
            return self._store

    def close(self) -> None:
        """Close the store if it was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()
