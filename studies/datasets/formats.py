"""Choose by a file's format how its columns are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from studies.errors import InvalidTableError
from studies.spec.table import TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = 1 << 34  # of a table as 32-bit numbers, unless the caller knows the machine


class ColumnFile(Protocol):
    """A file of named columns whose header has been read and whose rows come in batches."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the file's order."""

    @property
    def note(self) -> str:
        """The oddity of how the file is read; empty where there is none."""

    @property
    def encoding(self) -> str | None:
        """The encoding of a text that is not UTF-8."""

    @property
    def index(self) -> tuple[str, ...]:
        """The columns that are an index of the rows, and no data."""

    @property
    def delimiter(self) -> str | None:
        """What divides the columns of a text."""

    def check_size(self, columns: int, max_bytes: int) -> None:
        """Raise InvalidTableError when the file declares that so many of its columns exceed `max_bytes`."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the values of some columns, in the rows' order.

        Raises InvalidTableError when the file cannot be read on; it names the row where that is known.
        """


def open_columns(
    path: Path,
    file_format: TableFormat,
    encoding: str | None = None,
    max_bytes: int = MAX_BYTES,
    sheet: str | None = None,
) -> ColumnFile:
    """Open a file of any format but .npz and read its columns' names; a text's encoding is seen unless it is given.

    Raises InvalidTableError when the file does not begin as one of its format does, or its text is too large.
    """
    if sheet is not None and file_format != "xlsx":
        raise InvalidTableError(f"sheet: only a workbook has sheets, and the file is {file_format}", option="sheet")
    # Each brings libraries of its own.
    match file_format:
        case "parquet":
            from studies.datasets.parquet import ParquetFile

            return ParquetFile.open(path)
        case "feather":
            from studies.datasets.feather import FeatherFile

            return FeatherFile.open(path)
        case "xlsx":
            from studies.datasets.excel import ExcelFile

            return ExcelFile.open(path, sheet, max_bytes)
        case "jsonl":
            from studies.datasets.json_lines import JsonLinesFile

            return JsonLinesFile.open(path, encoding, max_bytes)
    from studies.datasets.delimited import DelimitedFile

    return DelimitedFile.open(path, file_format, encoding, max_bytes)
