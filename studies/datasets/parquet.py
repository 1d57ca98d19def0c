"""Parquet files: read the column names, then rows in batches."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
from pyarrow import parquet

from studies.errors import InvalidTableError

#: What pyarrow raises of a damaged file: of its own, and of Python's where names or metadata are no text.
_DAMAGES = (pa.ArrowException, OSError, EOFError, ValueError, KeyError, OverflowError)
_BATCH_ROWS = 1 << 16
_TEXT_BYTES = 4  # that a file may declare for each byte that is allowed as float32: text is longer than numbers


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file whose schema has been read."""

    path: Path
    names: tuple[str, ...]
    note: str = ""  # always empty: the format leaves nothing to guess
    index: tuple[str, ...] = ()  # the columns that pandas wrote as its index
    encoding: str | None = None
    delimiter: str | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the names of the columns.

        Raises InvalidTableError when the file is empty or truncated.
        """
        if not path.stat().st_size:
            raise InvalidTableError("the file is empty, not a Parquet file")
        with _readable():
            schema = parquet.read_schema(path)
        return cls(path, tuple(schema.names), index=pandas_index(schema))

    def check_size(self, columns: int, max_bytes: int) -> None:
        """Raise InvalidTableError when the file declares too much, before any of it is expanded."""
        with _readable():
            metadata = parquet.read_metadata(self.path)
        groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
        expanded = sum(group.total_byte_size for group in groups)
        if 4 * metadata.num_rows * columns > max_bytes or expanded > _TEXT_BYTES * max_bytes:
            raise InvalidTableError(
                f"the file declares {metadata.num_rows} rows of {columns} columns that are {expanded / 1e9:.1f} GB "
                f"expanded; at most {max_bytes / 1e9:.1f} GB as 32-bit numbers are read"
            )

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the values of some columns, in the rows' order.

        Raises InvalidTableError when the file is truncated.
        """
        # With pre_buffer, the default, the whole file would be held in memory besides.
        with _readable(), parquet.ParquetFile(self.path, pre_buffer=False) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
                batch.validate(full=True)  # texts need not be UTF-8, nor offsets lie within the file
                yield batch


def pandas_index(schema: pa.Schema) -> tuple[str, ...]:
    """The columns that pandas' metadata of a schema call its index."""
    try:
        described = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError:
        return ()  # not written by pandas
    columns = described.get("index_columns", []) if isinstance(described, dict) else []
    return tuple(column for column in columns if isinstance(column, str) and column in schema.names)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _DAMAGES as error:
        raise InvalidTableError(
            f"the file is not a whole Parquet file: {' '.join(str(error).split())[:200]}; is it truncated?"
        ) from error
