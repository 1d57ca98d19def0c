"""Parquet files: their columns, and their rows in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from studies.errors import InvalidTableError

_ROWS = 1 << 16  # a batch
_TEXT_BYTES = 4  # that a file may declare for each byte that is allowed as float32: text is longer than numbers


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InvalidTableError(
            f"the file is not a whole Parquet file: {' '.join(str(error).split())[:200]}; is it truncated?"
        ) from error


def header(path: Path) -> list[str]:
    """The columns' names."""
    if not path.stat().st_size:
        raise InvalidTableError("the file is empty, not a Parquet file")
    with _readable():
        return list(parquet.read_schema(path).names)


def check_size(path: Path, columns: int, most_bytes: int) -> None:
    """Refuse a file by what it declares, before anything of it is expanded."""
    with _readable():
        declared = parquet.read_metadata(path)
    groups = (declared.row_group(index) for index in range(declared.num_row_groups))
    expanded = sum(group.total_byte_size for group in groups)
    if 4 * declared.num_rows * columns > most_bytes or expanded > _TEXT_BYTES * most_bytes:
        raise InvalidTableError(
            f"the file declares {declared.num_rows} rows of {columns} columns that are {expanded / 1e9:.1f} GB "
            f"expanded; at most {most_bytes / 1e9:.1f} GB as 32-bit numbers are read"
        )


def batches(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The values of some columns in the rows' order."""
    # Unasked it would hold the whole file besides.
    with _readable(), parquet.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(_ROWS, columns=list(names))
