"""Opens the store once, when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import inf
from time import monotonic

from service.errors import MigrationError, StorageError
from service.storage.data_version import DataVersion
from service.storage.store import Store

_PAUSE_SECONDS = 2.0  # between two tries: of an older database each makes a copy


class LazyStore:
    """The store of an app, opened by the first caller of `get`.

    The app opens it beside its start: an empty database, whose tables take a second to make, must not delay the first
    answer. While the database cannot be opened, calls try again, with pauses; a migration that failed is not repeated.
    `on_open` is called once, when the store is open.
    """

    def __init__(self, database_url: str, on_open: Callable[[], None] | None = None) -> None:
        self._database_url, self._on_open = database_url, on_open
        self._store: Store | None = None
        self._data_version = DataVersion(database_url)
        self._failure: tuple[type[StorageError], str] | None = None
        self._next_try = 0.0  # by the monotonic clock
        self._lock = threading.Lock()

    def get(self) -> Store:
        """Open the store if it is not open yet, and return it.

        Raises StorageError when it cannot be opened.
        """
        with self._lock:
            if self._store is None:
                self._store = self._open()
                if self._on_open is not None:
                    self._on_open()
            return self._store

    def _open(self) -> Store:
        if self._failure is not None and monotonic() < self._next_try:
            # A new error each time: one that is raised again keeps the frames of all who have met it.
            kind, text = self._failure
            raise kind(text)
        try:
            return Store(self._database_url)
        except StorageError as error:
            self._failure = type(error), str(error)
            self._next_try = inf if isinstance(error, MigrationError) else monotonic() + _PAUSE_SECONDS
            raise

    def version(self) -> int | None:
        """A number that changes with every commit to the database, for one thread; None where it is not known."""
        return None if self._store is None else self._data_version.read()

    def close(self) -> None:
        """Close the store if it was opened."""
        self._data_version.close()
        with self._lock:
            if self._store is not None:
                self._store.close()
