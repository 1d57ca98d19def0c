"""Tells whether anybody has written to an SQLite database since, at the cost of microseconds."""

from __future__ import annotations

import sqlite3

from service.storage.database import sqlite_file


class DataVersion:
    """A connection of its own that reads nothing; one thread reads at a time, and another may close it.

    SQLite tells each connection a number that changes with every commit of another one.
    """

    def __init__(self, url: str) -> None:
        self._file = sqlite_file(url)
        self._connection: sqlite3.Connection | None = None

    def read(self) -> int | None:
        """The number; None where the database tells none, or not now."""
        if self._file is None:
            return None
        try:
            if self._connection is None:
                address = f"{self._file.absolute().as_uri()}?mode=ro"
                self._connection = sqlite3.connect(
                    address, uri=True, timeout=0, isolation_level=None, check_same_thread=False
                )
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
