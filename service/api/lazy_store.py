"""The door to the store: it is opened once, by whoever comes first."""

from __future__ import annotations

import threading

from service.storage.store import Store


class Opening:
    """The store of an app, opened by whoever needs it first.

    The app opens it beside its start, so that an empty database, whose tables take a second to make, does not hold up
    the first answer; a database that does not answer yet is tried again with the next request.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._store: Store | None = None
        self._lock = threading.Lock()

    def store(self) -> Store:
        """Wait for the opened store."""
        with self._lock:
            if self._store is None:
                self._store = Store(self._database_url)
            return self._store

    def close(self) -> None:
        """Close the store if it was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()
