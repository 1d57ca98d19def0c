"""A text file whose encoding is known, and that may be gzip data."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, TextIO

from studies.datasets.compression import is_gzip, open_expanded
from studies.datasets.text_encoding import decide
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat

_TEXT_BYTES = 4  # that may be expanded for each byte that is allowed as float32: text is longer than numbers
_MAGIC = {
    b"PK\x03\x04": "a ZIP archive, as .xlsx and .npz are",
    b"PAR1": "a Parquet file",
    b"ARROW1": "a Feather file",
    b"\xd0\xcf\x11\xe0": "an old or encrypted Office file",
    b"\x93NUMPY": "a NumPy array",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "gzip data within gzip data",
}


@dataclass(frozen=True)
class TextFile:
    """Opens a file's text."""

    path: Path
    max_bytes: int
    encoding: str  # Python's name of it
    note: str  # says so where the encoding is not UTF-8

    @classmethod
    def open(cls, path: Path, file_format: TableFormat, encoding: str | None, max_bytes: int) -> Self:
        """Look through a file for its encoding, unless it is given.

        Raises InvalidTableError when the file is empty or no text, is more than four times `max_bytes` expanded, or no
        encoding is sure.
        """
        limit = _TEXT_BYTES * max_bytes

        def open_bytes() -> IO[bytes]:
            return open_expanded(path, limit)

        with open_bytes() as file:
            start = file.read(1024)
        kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
        if kind is not None:
            raise InvalidTableError(
                f"the file is {kind}, not {file_format.upper()} text; upload it as what it is, expanded"
            )
        return cls(path, limit, *decide(open_bytes, encoding))

    @property
    def is_plain(self) -> bool:
        """Whether the file is UTF-8 as it lies there."""
        return self.encoding == "utf-8" and not is_gzip(self.path)

    @property
    def asked_again(self) -> str | None:
        """The encoding to ask for, to have the file read the same way; None where that is UTF-8."""
        return None if self.encoding == "utf-8" else self.encoding

    def open_bytes(self) -> IO[bytes]:
        """Open the bytes of the text, expanded."""
        return open_expanded(self.path, self.max_bytes)

    def open_text(self) -> TextIO:
        """Open the text, its line ends as they are."""
        # A mark of UTF-8 at its start is no part of the text.
        return io.TextIOWrapper(
            self.open_bytes(), "utf-8-sig" if self.encoding == "utf-8" else self.encoding, newline=""
        )

    def read_start(self, letters: int) -> str:
        """Read the first letters of the text."""
        with self.open_text() as text:
            return text.read(letters).removeprefix("\ufeff")
