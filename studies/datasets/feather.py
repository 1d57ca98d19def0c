"""Feather files, which are Arrow's files: read the schema, then the batches as they were written."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa
from pyarrow import dataset, ipc

from studies.datasets.flatbuffer import expanded_bytes
from studies.datasets.parquet import pandas_index
from studies.errors import InvalidTableError

_TEXT_BYTES = 4  # that a file may declare for each byte that is allowed as float32, as of Parquet


@dataclass(frozen=True)
class FeatherFile:
    """A Feather file whose schema has been read."""

    path: Path
    names: tuple[str, ...]
    note: str = ""  # always empty: the format leaves nothing to guess
    encoding: str | None = None
    index: tuple[str, ...] = ()  # the columns that pandas wrote as its index
    delimiter: str | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the names of the columns.

        Raises InvalidTableError when the file is of another format, or truncated.
        """
        with _readable(), pa.memory_map(str(path)) as source, ipc.open_file(source) as file:
            return cls(path, tuple(file.schema.names), index=pandas_index(file.schema))

    def check_size(self, columns: int, max_bytes: int) -> None:
        """Raise InvalidTableError when the file declares too much, before any of it is expanded."""
        with _readable(), pa.memory_map(str(self.path)) as source:
            rows, expanded = dataset.dataset(self.path, format="ipc").count_rows(), expanded_bytes(source)
        if 4 * rows * columns > max_bytes or expanded > _TEXT_BYTES * max_bytes:
            raise InvalidTableError(
                f"the file declares {rows} rows of {columns} columns that are {expanded / 1e9:.1f} GB expanded; at "
                f"most {max_bytes / 1e9:.1f} GB as 32-bit numbers are read"
            )

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the values of some columns, in the rows' order.

        Raises InvalidTableError when the file is damaged.
        """
        with _readable(), pa.memory_map(str(self.path)) as source:
            schema = ipc.open_file(source).schema
            wanted = ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
            with ipc.open_file(source, options=wanted) as file:
                for index in range(file.num_record_batches):
                    batch = file.get_batch(index)
                    batch.validate(full=True)  # lengths and offsets that lie would be followed anywhere
                    yield batch.select(list(columns))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, struct.error) as error:
        raise InvalidTableError(
            f"the file is not a whole Feather file: {' '.join(str(error).split())[:200]}; is it truncated, or of "
            "Feather's first version?"
        ) from error
