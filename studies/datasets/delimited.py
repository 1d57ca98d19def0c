"""CSV and TSV files: their header, their rows in batches of text, and what is wrong with them by row."""

from __future__ import annotations

import csv
import io
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from studies.errors import InvalidTableError
from studies.spec.table import TableFormat

#: What stands for a missing value.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>", "#N/A", "?")
_DELIMITERS = {"csv": ",", "tsv": "\t"}
#: What may divide columns, and the words for it.
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECIMAL_COMMAS = ";"  # as spreadsheets write where a comma is the decimal point
_DECIMAL_COMMA = r"^(\s*[-+]?\d+),(\d+(?:[eE][-+]?\d+)?\s*)$"
_BLOCK = 1 << 22  # bytes read at once; a row must be shorter
_HEADER = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip data", b"PK\x03\x04": "a ZIP archive", b"PAR1": "a Parquet file", b"%PDF": "a PDF"}


def header(path: Path, file_format: TableFormat) -> list[str]:
    """The columns' names; InvalidTableError when the file does not begin as such a file does."""
    begin = _begin(path, file_format)
    names, values = _first_rows(begin, _divider(begin, file_format))
    if not any(name.strip() for name in names):
        raise InvalidTableError("row 1 is empty, or a text in it is endless; it must hold the columns' names", row=1)
    if not values and any("\n" in name for name in names):
        raise InvalidTableError("row 1 takes up the whole file; is a quote in it not closed?", row=1)
    return [name.strip() or f"column {place}" for place, name in enumerate(names, 1)]


def delimiter(path: Path, file_format: TableFormat) -> str:
    """What divides the columns: the format's own delimiter, unless another divides the first rows better."""
    return _divider(_begin(path, file_format), file_format)


def note(path: Path, file_format: TableFormat) -> str:
    """What is said of a file whose delimiter is not its format's own; nothing of others."""
    found = delimiter(path, file_format)
    if found == _DELIMITERS[file_format]:
        return ""
    decimals = "; a comma within a number is read as its decimal point" if found == _DECIMAL_COMMAS else ""
    return f"columns are divided by {NAMES[found]}, as row 1 is{decimals}"


def _begin(path: Path, file_format: TableFormat) -> str:
    with path.open("rb") as file:
        begin = file.read(_HEADER)
    kind = next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), None)
    if kind is not None:
        raise InvalidTableError(
            f"the file is {kind}, not {file_format.upper()} text; upload it as what it is, expanded"
        )
    if not begin.strip():
        raise InvalidTableError("the file is empty; its first row must hold the columns' names")
    try:
        return getincrementaldecoder("utf-8-sig")().decode(begin)
    except UnicodeDecodeError:
        _refuse_encoding(path)


def _divider(begin: str, file_format: TableFormat) -> str:
    def fit(candidate: str) -> tuple[bool, int, bool]:
        names, values = _first_rows(begin, candidate)
        return len(names) == len(values) > 1, len(names), candidate == _DELIMITERS[file_format]

    return max(NAMES, key=fit)


def _first_rows(begin: str, divider: str) -> tuple[list[str], list[str]]:
    """The header and the first row beneath it."""
    rows = csv.reader(io.StringIO(begin, newline=""), delimiter=divider)
    return _next(rows), _next(filter(None, rows))


def _next(rows: Iterator[list[str]]) -> list[str]:
    """The next row; empty where there is none, or a field of it has no end."""
    try:
        return next(rows, [])
    except csv.Error:
        return []


def batches(
    path: Path, file_format: TableFormat, names: Sequence[str], read: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The values of some columns as text, in the rows' order; InvalidTableError names a row that is wrong."""
    divider = delimiter(path, file_format)
    try:
        reader = arrow_csv.open_csv(
            path,
            # The header is read by `header`, which knows what to say of it.
            read_options=arrow_csv.ReadOptions(column_names=list(names), skip_rows_after_names=1, block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(delimiter=divider, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(read),
                column_types=dict.fromkeys(read, pa.string()),
                null_values=list(MISSING),
                strings_can_be_null=True,
            ),
        )
        yield from map(_with_points, reader) if divider == _DECIMAL_COMMAS else reader
    except pa.ArrowInvalid as error:
        _refuse(path, divider, len(names), str(error))


def _with_points(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [pc.replace_substring_regex(column, _DECIMAL_COMMA, r"\1.\2") for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _refuse(path: Path, divider: str, width: int, reason: str) -> NoReturn:
    """Say which row Arrow stumbled over; it knows the row only where it reads in one thread."""
    if "UTF8" in reason:
        _refuse_encoding(path)
    row = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for fields in csv.reader(file, delimiter=divider):
                row += bool(fields)
                if fields and len(fields) != width:
                    raise InvalidTableError(
                        f"row {row} (the header is row 1) has {len(fields)} fields, and the header has {width}, "
                        f"divided by {NAMES[divider]}; is one missing, or a text that holds one not in quotes?",
                        row=row,
                    )
    except csv.Error as error:
        reason = str(error)
    except UnicodeDecodeError:
        _refuse_encoding(path)
    if row <= 1:
        raise InvalidTableError("the file has no rows beneath its header")
    raise InvalidTableError(
        f"the file cannot be read from row {row} (the header is row 1) on: {reason}; is a quote not closed?", row=row
    )


def _refuse_encoding(path: Path) -> NoReturn:
    decoder, lines = getincrementaldecoder("utf-8")(), 1
    with path.open("rb") as file:
        while block := file.read(_HEADER):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line = lines + error.object[: error.start].count(b"\n")
                wrong = error.object[error.start]
                raise InvalidTableError(
                    f"line {line} is not UTF-8 text (byte 0x{wrong:02x}); save the file as UTF-8", row=line
                ) from None
            lines += block.count(b"\n")
    raise InvalidTableError(f"line {lines} is not UTF-8 text, for the file ends within a letter", row=lines)
