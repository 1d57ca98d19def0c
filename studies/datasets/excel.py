"""Excel workbooks: rows of a sheet, in a stream, each cell as the text that a CSV would have for it."""

from __future__ import annotations

import lzma
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from studies.datasets.column_roles import quote_names
from studies.errors import InvalidTableError

#: What zipfile raises, its decompressors, and either parser of XML that openpyxl may have, both of which have a
#: SyntaxError of their own.
_DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, SyntaxError, EOFError, OSError, RuntimeError)
_BATCH_ROWS = 1 << 12
_BOOLEANS = {True: "true", False: "false"}
_MIDNIGHT = datetime.min.time()
_Row = tuple[Any, ...]


@dataclass(frozen=True)
class ExcelFile:
    """A workbook of which a sheet's header has been read."""

    path: Path
    sheet: str | None  # the first that is shown unless it is named
    names: tuple[str, ...]
    note: str = ""  # says which sheet is read where there are several
    encoding: str | None = None
    index: tuple[str, ...] = ()
    delimiter: str | None = None

    @classmethod
    def open(cls, path: Path, sheet: str | None, max_bytes: int) -> Self:
        """Read a sheet's first row, which holds the names.

        Raises InvalidTableError when the file is no workbook, lacks the sheet, is more than half of `max_bytes`
        expanded, or row 1 is empty.
        """
        with _readable():
            with zipfile.ZipFile(path) as archive:
                # zipfile never expands more of a member than the archive declares of it.
                expanded = sum(member.file_size for member in archive.infolist())
            if expanded > max_bytes // 2:
                raise InvalidTableError(
                    f"the workbook declares {expanded / 1e9:.1f} GB; at most {max_bytes / 2e9:.1f} GB are read"
                )
            with _open_sheet(path, sheet) as (opened, others):
                header, title = _trim(next(_rows(opened), ())), opened.title
        if not header:
            raise InvalidTableError(f"row 1 of the sheet '{title}' is empty; it must hold the columns' names", row=1)
        is_chosen = bool(others) and sheet is None
        note = f"the sheet '{title}' is read; name another by `sheet`: {quote_names(others)}" if is_chosen else ""
        names = ((_to_text(value) or "").strip() or f"column {number}" for number, value in enumerate(header, 1))
        return cls(path, sheet, tuple(names), note)

    def check_size(self, columns: int, max_bytes: int) -> None:
        """Accept any file: `open` has looked at its size, and its rows are counted while they are read."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the values of some columns as text, in the rows' order; empty rows at the end are none.

        Raises InvalidTableError, which names the row, when a value stands behind the header's last column.
        """
        numbers = {name: number for number, name in enumerate(self.names)}
        wanted = [(name, numbers[name]) for name in columns]
        with _readable(), _open_sheet(self.path, self.sheet) as (sheet, _):
            rows = self._values(sheet)
            while batch := list(islice(rows, _BATCH_ROWS)):
                values = ([_to_text(row[index]) if index < len(row) else None for row in batch] for _, index in wanted)
                yield pa.RecordBatch.from_arrays([pa.array(v, pa.string()) for v in values], names=list(columns))

    def _values(self, sheet: Any) -> Iterator[_Row]:
        empty = 0  # rows, of which it is not known yet whether others follow
        for number, row in enumerate(map(_trim, islice(_rows(sheet), 1, None)), 2):
            if len(row) > len(self.names):
                raise InvalidTableError(
                    f"row {number} (the header is row 1) has a value in column {len(row)}, and the header has "
                    f"{len(self.names)} columns; give it a name in row 1, or take it out",
                    row=number,
                )
            if not row:
                empty += 1
                continue
            yield from chain(repeat((), empty), [row])
            empty = 0


@contextmanager
def _open_sheet(path: Path, title: str | None) -> Iterator[tuple[Any, list[str]]]:
    """Open a sheet, the first that is shown unless it is named; hand out the titles of the others beside it."""
    import openpyxl

    # It warns of what it does not keep, as styles: nothing is written here.
    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
    with (
        path.open("rb") as file,  # whatever it is named
        closing(openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)) as workbook,
    ):
        sheets = {sheet.title: sheet for sheet in workbook.worksheets}
        shown = [name for name, sheet in sheets.items() if sheet.sheet_state == "visible"]
        if title is not None and title not in sheets:
            message = f"sheet: the workbook has no sheet '{title}'; it has {quote_names(list(sheets))}"
            raise InvalidTableError(message, option="sheet")
        if title is None and not shown:
            raise InvalidTableError("the workbook has no sheet with cells that is shown; name one by `sheet`")
        sheet = sheets[title or shown[0]]
        sheet.reset_dimensions()  # what a file declares may be any size, and each row would be filled up to it
        yield sheet, [name for name in shown if name != sheet.title]


def _rows(sheet: Any) -> Iterator[_Row]:
    return iter(sheet.iter_rows(values_only=True))


def _trim(row: _Row) -> _Row:
    """Leave out the empty cells at a row's end."""
    end = len(row)
    while end and row[end - 1] in (None, ""):
        end -= 1
    return row[:end]


def _to_text(value: Any) -> str | None:
    """Write a cell as a CSV would have it: whole numbers without a point, dates as 2026-01-31."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, bool):
        return _BOOLEANS[value]
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ")
    return str(value)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _DAMAGES as error:
        raise InvalidTableError(f"the file is not a whole .xlsx workbook: {error}; is it truncated?") from error
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError) as error:
        # What openpyxl raises where parts of a workbook do not fit together.
        raise InvalidTableError(f"the file is no .xlsx workbook, or one that is damaged: {error}") from error
