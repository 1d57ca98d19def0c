"""CSV and TSV files: their header, their rows in batches of text, and what is wrong with them by row."""

from __future__ import annotations

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
from pyarrow import csv as arrow_csv

from studies.errors import InvalidTableError
from studies.table_spec import TableFormat

#: What stands for a missing value.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>", "#N/A", "?")
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BLOCK = 1 << 22  # bytes read at once; a row must be shorter
_HEADER = 1 << 20
_MAGIC = {b"\x1f\x8b": "gzip data", b"PK\x03\x04": "a ZIP archive", b"PAR1": "a Parquet file", b"%PDF": "a PDF"}


def header(path: Path, file_format: TableFormat) -> list[str]:
    """The columns' names; InvalidTableError when the file does not begin as such a file does."""
    with path.open("rb") as file:
        begin = file.read(_HEADER)
    kind = next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), None)
    if kind is not None:
        raise InvalidTableError(
            f"the file is {kind}, not {file_format.upper()} text; upload it as what it is, expanded"
        )
    if not begin.strip():
        raise InvalidTableError("the file is empty; its first row must hold the columns' names")
    line = _first_line(path, begin)
    if not line.strip():
        raise InvalidTableError("row 1 is empty; it must hold the columns' names", row=1)
    names = next(csv.reader([line], delimiter=_DELIMITERS[file_format]))
    if len(names) == 1:
        _check_delimiter(line, file_format)
    return [name.strip() or f"column {place}" for place, name in enumerate(names, 1)]


def _first_line(path: Path, begin: bytes) -> str:
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(begin)
    except UnicodeDecodeError:
        _refuse_encoding(path)
    found = re.match(r'(?:"(?:[^"]|"")*"|[^"\r\n])*', text)
    return found[0] if found else ""


def _check_delimiter(line: str, file_format: TableFormat) -> None:
    other = max((d for d in _NAMES if d != _DELIMITERS[file_format]), key=line.count)
    if line.count(other):
        expected = _NAMES[_DELIMITERS[file_format]]
        fitting = next((name for name, delimiter in _DELIMITERS.items() if delimiter == other), None)
        advice = f"upload it as {fitting}" if fitting else f"divide it by {expected}"
        raise InvalidTableError(
            f"row 1: {expected} do not divide the header '{line[:80]}' into columns, but {_NAMES[other]} would; "
            f"{advice}",
            row=1,
        )


def batches(
    path: Path, file_format: TableFormat, names: Sequence[str], read: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The values of some columns as text, in the rows' order; InvalidTableError names a row that is wrong."""
    try:
        reader = arrow_csv.open_csv(
            path,
            # The header is read by `header`, which knows what to say of it.
            read_options=arrow_csv.ReadOptions(column_names=list(names), skip_rows_after_names=1, block_size=_BLOCK),
            parse_options=arrow_csv.ParseOptions(delimiter=_DELIMITERS[file_format], newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(read),
                column_types=dict.fromkeys(read, pa.string()),
                null_values=list(MISSING),
                strings_can_be_null=True,
            ),
        )
        yield from reader
    except pa.ArrowInvalid as error:
        _refuse(path, file_format, len(names), str(error))


def _refuse(path: Path, file_format: TableFormat, width: int, reason: str) -> NoReturn:
    """Say which row Arrow stumbled over; it knows the row only where it reads in one thread."""
    if "UTF8" in reason:
        _refuse_encoding(path)
    row = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for fields in csv.reader(file, delimiter=_DELIMITERS[file_format]):
                row += bool(fields)
                if fields and len(fields) != width:
                    raise InvalidTableError(
                        f"row {row} (the header is row 1) has {len(fields)} fields, and the header has {width}; is a "
                        "delimiter missing, or a text that holds one not in quotes?",
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
