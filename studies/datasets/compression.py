"""The bytes of a text file: expanded where they are gzip data, and never more than a limit."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO

from studies.errors import InvalidTableError

_GZIP = b"\x1f\x8b"


def open_expanded(path: Path, max_bytes: int) -> IO[bytes]:
    """Open a file to be read from its start.

    Reading raises InvalidTableError when gzip data is damaged, or more than `max_bytes` once expanded.
    """
    file = path.open("rb")
    return io.BufferedReader(_Expanded(file, max_bytes)) if is_gzip(path) else file


def is_gzip(path: Path) -> bool:
    """Return whether a file is gzip data, whatever its name says."""
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


class _Expanded(io.RawIOBase):
    """Gzip data, expanded while it is read: neither memory nor the disk ever holds all of it."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._file, self._max_bytes, self._bytes = file, max_bytes, 0
        self._expander = gzip.GzipFile(fileobj=file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            block = self._expander.read(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            raise InvalidTableError(f"the file is not whole gzip data: {error}; is it truncated?") from error
        self._bytes += len(block)
        if self._bytes > self._max_bytes:
            raise InvalidTableError(
                f"the file is more than {self._max_bytes / 1e9:.1f} GB expanded, and no more is read; send fewer rows"
            )
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._file.close()
        super().close()
