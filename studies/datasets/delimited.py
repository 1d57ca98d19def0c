"""CSV and TSV files: sniff the header, read rows in batches of text, and name the row that is wrong."""

from __future__ import annotations

import csv
import io
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

import pyarrow as pa
from pyarrow import csv as arrow_csv

from studies.errors import InvalidTableError
from studies.spec.table import TableFormat

_DELIMITERS = {"csv": ",", "tsv": "\t"}
#: Each delimiter with its word.
_DELIMITER_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BLOCK = 1 << 22  # bytes read at once; a row must be shorter
_HEADER = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip data", b"PK\x03\x04": "a ZIP archive", b"PAR1": "a Parquet file", b"%PDF": "a PDF"}


@dataclass(frozen=True)
class DelimitedFile:
    """A CSV or TSV file whose delimiter and header are known."""

    path: Path
    names: tuple[str, ...]
    delimiter: str
    note: str = ""  # says so where the delimiter is not the format's own

    @property
    def index(self) -> tuple[str, ...]:
        """None: a text file does not say which columns number its rows."""
        return ()

    @property
    def semicolons(self) -> bool:
        """True where semicolons divide the columns, as spreadsheets do where a comma is the decimal point."""
        return self.delimiter == ";"

    @classmethod
    def open(cls, path: Path, file_format: TableFormat) -> Self:
        """Sniff the delimiter and the header: the format's own delimiter, unless another divides the first rows better.

        Raises InvalidTableError when the file does not begin with a row of names.
        """
        text = _read_start(path, file_format)
        delimiter = _sniff(text, file_format)
        return cls(path, _header(text, delimiter), delimiter, _note(delimiter, file_format))

    def check_size(self, columns: int, max_bytes: int) -> None:
        """Accept any file: text declares no size, its rows are counted while they are read."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the values of some columns as text, in the rows' order.

        Raises InvalidTableError, which names the row, when one has too few or too many fields or is not UTF-8.
        """
        # `open` has read the header, and raises errors that say more than Arrow's.
        read_options = arrow_csv.ReadOptions(column_names=list(self.names), skip_rows_after_names=1, block_size=_BLOCK)
        try:
            reader = arrow_csv.open_csv(
                self.path,
                read_options=read_options,
                parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(columns),
                    column_types=dict.fromkeys(columns, pa.string()),
                    null_values=[""],  # what else stands for a missing value depends on the column
                    strings_can_be_null=True,
                ),
            )
            yield from reader
        except pa.ArrowInvalid as error:
            _refuse_rows(self, str(error))


def _read_start(path: Path, file_format: TableFormat) -> str:
    with path.open("rb") as file:
        start = file.read(_HEADER)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind is not None:
        raise InvalidTableError(
            f"the file is {kind}, not {file_format.upper()} text; upload it as what it is, expanded"
        )
    if not start.strip():
        raise InvalidTableError("the file is empty; its first row must hold the columns' names")
    try:
        return getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        _refuse_encoding(path)


def _sniff(text: str, file_format: TableFormat) -> str:
    def fit(delimiter: str) -> tuple[bool, int, bool]:
        names, values = _first_rows(text, delimiter)
        return len(names) == len(values) > 1, len(names), delimiter == _DELIMITERS[file_format]

    return max(_DELIMITER_WORDS, key=fit)


def _header(text: str, delimiter: str) -> tuple[str, ...]:
    names, values = _first_rows(text, delimiter)
    if not any(name.strip() for name in names):
        raise InvalidTableError("row 1 is empty, or a text in it is endless; it must hold the columns' names", row=1)
    if not values and any("\n" in name for name in names):
        raise InvalidTableError("row 1 takes up the whole file; is a quote in it not closed?", row=1)
    return tuple(name.strip() or f"column {number}" for number, name in enumerate(names, 1))


def _note(delimiter: str, file_format: TableFormat) -> str:
    if delimiter == _DELIMITERS[file_format]:
        return ""
    return f"columns are divided by {_DELIMITER_WORDS[delimiter]}, as row 1 is"


def _first_rows(text: str, delimiter: str) -> tuple[list[str], list[str]]:
    """Split the header and the first row below it into fields."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return _next(rows), _next(filter(None, rows))


def _next(rows: Iterator[list[str]]) -> list[str]:
    """Return the next row; an empty one where there is none, or a field of it has no end."""
    try:
        return next(rows, [])
    except csv.Error:
        return []


def _refuse_rows(file: DelimitedFile, reason: str) -> NoReturn:
    """Find the row that Arrow stumbled over: it knows the row only where it reads in one thread.

    Raises InvalidTableError always.
    """
    if "UTF8" in reason:
        _refuse_encoding(file.path)
    row, width = 0, len(file.names)
    try:
        with file.path.open(encoding="utf-8-sig", newline="") as text:
            for fields in csv.reader(text, delimiter=file.delimiter):
                row += bool(fields)
                if fields and len(fields) != width:
                    raise InvalidTableError(
                        f"row {row} (the header is row 1) has {len(fields)} fields, and the header has {width}, "
                        f"divided by {_DELIMITER_WORDS[file.delimiter]}; is one missing, or a text that holds one not "
                        "in quotes?",
                        row=row,
                    )
    except csv.Error as error:
        reason = str(error)
    except UnicodeDecodeError:
        _refuse_encoding(file.path)
    if row <= 1:
        raise InvalidTableError("the file has no rows beneath its header")
    raise InvalidTableError(
        f"the file cannot be read from row {row} (the header is row 1) on: {reason}; is a quote not closed?", row=row
    )


def _refuse_encoding(path: Path) -> NoReturn:
    """Find the line that is not UTF-8.

    Raises InvalidTableError always.
    """
    decoder, line = getincrementaldecoder("utf-8")(), 1
    with path.open("rb") as file:
        while block := file.read(_HEADER):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                byte = error.object[error.start]
                raise InvalidTableError(
                    f"line {line} is not UTF-8 text (byte 0x{byte:02x}); save the file as UTF-8", row=line
                ) from None
            line += block.count(b"\n")
    raise InvalidTableError(f"line {line} is not UTF-8 text, for the file ends within a letter", row=line)
