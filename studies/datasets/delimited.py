"""CSV and TSV files: sniff the header, read rows in batches of text, and name the row that is wrong."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import pyarrow as pa
from pyarrow import csv as arrow_csv

from studies.datasets.text_file import TextFile
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat

_DELIMITERS = {"csv": ",", "tsv": "\t"}
#: Each delimiter with its word.
_DELIMITER_WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BLOCK = 1 << 22  # bytes read at once; a row must be shorter
_HEADER = 1 << 22  # letters, enough for 100,000 names
_EXCEL_LINE = re.compile(r'"?sep=([^"\r\n])"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True)
class DelimitedFile:
    """A CSV or TSV file whose delimiter and header are known."""

    text: TextFile
    names: tuple[str, ...]
    delimiter: str
    skipped: int = 0  # lines above the header
    note: str = ""  # says so where the delimiter is not the format's own, or the text not UTF-8

    @property
    def index(self) -> tuple[str, ...]:
        """None: a text file does not say which columns number its rows."""
        return ()

    @classmethod
    def open(cls, path: Path, file_format: TableFormat, encoding: str | None, max_bytes: int) -> Self:
        """Sniff the delimiter and the header: the format's own delimiter, unless another divides the first rows better.

        Excel's line above the header gives the delimiter.

        Raises InvalidTableError when the file does not begin with a row of names.
        """
        text = TextFile.open(path, file_format, encoding, max_bytes)
        start = text.read_start(_HEADER)
        if not start.strip():
            raise InvalidTableError("the file is empty; its first row must hold the columns' names")
        said = _EXCEL_LINE.match(start)
        start = start[said.end() :] if said else start
        delimiter = said[1] if said else _sniff(start, file_format)
        notes = [text.note, _excel_note(delimiter) if said else _note(delimiter, file_format)]
        return cls(text, _header(start, delimiter), delimiter, int(said is not None), "; ".join(filter(None, notes)))

    @property
    def encoding(self) -> str | None:
        """The encoding of a text that is not UTF-8."""
        return self.text.asked_again

    def check_size(self, columns: int, max_bytes: int) -> None:
        """Accept any file: text declares no size, its rows are counted while they are read."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the values of some columns as text, in the rows' order.

        Raises InvalidTableError, which names the row, when one has too few or too many fields.
        """
        # `open` has read the header, and raises errors that say more than Arrow's.
        read_options = arrow_csv.ReadOptions(
            column_names=list(self.names),
            skip_rows=self.skipped,
            skip_rows_after_names=1,
            block_size=_BLOCK,
            encoding=self.text.encoding,
        )
        try:
            with self._source() as source:
                reader = arrow_csv.open_csv(
                    source,
                    read_options=read_options,
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=self.delimiter,
                        newlines_in_values=True,
                        ignore_empty_lines=len(self.names) > 1,  # of one column an empty line is a row without a value
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=list(columns),
                        column_types=dict.fromkeys(columns, pa.string()),
                        null_values=[""],  # what else stands for a missing value depends on the column
                        strings_can_be_null=True,
                        check_utf8=False,  # `open` has seen to it
                    ),
                )
                yield from reader
        except pa.ArrowInvalid as error:
            _refuse_rows(self, str(error))

    def _source(self) -> Any:
        # Arrow reads a file of its own without asking Python for each block.
        return pa.OSFile(str(self.text.path)) if self.text.is_plain else self.text.open_bytes()


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


def _excel_note(delimiter: str) -> str:
    said = f"columns are divided by {_words(delimiter)}, as Excel's line above the header says"
    return f"{said}; the header is counted as row 1"


def _words(delimiter: str) -> str:
    return _DELIMITER_WORDS.get(delimiter, f"'{delimiter}'")


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
    row, width = 0, len(file.names)
    try:
        with file.text.open_text() as text:
            for _ in range(file.skipped):
                text.readline()
            for fields in csv.reader(text, delimiter=file.delimiter):
                row += bool(fields)
                if fields and len(fields) != width:
                    raise InvalidTableError(
                        f"row {row} (the header is row 1) has {len(fields)} fields, and the header has {width}, "
                        f"divided by {_words(file.delimiter)}; is one missing, or a text that holds one not "
                        "in quotes?",
                        row=row,
                    )
    except csv.Error as error:
        reason = str(error)
    if row <= 1:
        raise InvalidTableError("the file has no rows beneath its header")
    raise InvalidTableError(
        f"the file cannot be read from row {row} (the header is row 1) on: {reason}; is a quote not closed?", row=row
    )
