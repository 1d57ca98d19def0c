"""JSON lines: an object a row, its fields the columns.

Every value is given as the text that stands in the file, as of a CSV. So a column has the same kind as it would there,
wherever a block of rows ends and whether numbers come first or text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from studies.datasets.text_file import TextFile
from studies.errors import InvalidTableError

_BATCH_ROWS = 1 << 14
_MAX_LINE = 1 << 22  # letters
_BOOLEANS = {True: "true", False: "false"}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its fields.

    Raises ValueError when one stands there twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise ValueError(f"'{next(name for name, count in counts.items() if count > 1)}' stands there twice")
    return found


#: Numbers keep the digits that they are written with.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_unique)


@dataclass(frozen=True)
class JsonLinesFile:
    """A file of JSON lines, all of which have been read once."""

    text: TextFile
    names: tuple[str, ...]  # of all fields, as they come
    rows: int
    index: tuple[str, ...] = ()
    delimiter: str | None = None

    @classmethod
    def open(cls, path: Path, encoding: str | None, max_bytes: int) -> Self:
        """Read every line for the names of its fields; a field that a line lacks is missing there.

        Raises InvalidTableError, which names line and field, when a line is no object, or a value is nested.
        """
        text = TextFile.open(path, "jsonl", encoding, max_bytes)
        names: dict[str, None] = {}
        rows = 0
        for row in _rows(text):
            names.update(dict.fromkeys(row))
            rows += 1
        if not names:
            raise InvalidTableError('the file is empty; each line must be an object, as {"age": 31, "y": 1}')
        return cls(text, tuple(names), rows)

    @property
    def note(self) -> str:
        """Says so where the text is not UTF-8."""
        return self.text.note

    @property
    def encoding(self) -> str | None:
        """The encoding of a text that is not UTF-8."""
        return self.text.asked_again

    def check_size(self, columns: int, max_bytes: int) -> None:
        """Raise InvalidTableError when the table is too large: short lines, each with fields of its own, make one."""
        if 4 * self.rows * columns > max_bytes:
            raise InvalidTableError(
                f"the file has {self.rows} lines of {columns} fields in all; at most {max_bytes / 1e9:.1f} GB as "
                "32-bit numbers are read"
            )

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read the values of some columns as text, in the rows' order.

        Raises InvalidTableError, which names line and field, when a text is none.
        """
        batch: list[dict[str, str | None]] = []
        first = 1
        for row in _rows(self.text):
            batch.append(row)
            if len(batch) == _BATCH_ROWS:
                yield _to_batch(batch, columns, first)
                first += len(batch)
                batch = []
        if batch:
            yield _to_batch(batch, columns, first)


def _rows(text: TextFile) -> Iterator[dict[str, str | None]]:
    """Read the object of each line, its values as text."""
    number = 0
    empty: int | None = None  # the first of the empty lines before this one
    with text.open_text() as lines:
        while line := lines.readline(_MAX_LINE):
            number += 1
            if len(line) == _MAX_LINE:
                raise InvalidTableError(f"line {number} has more than {_MAX_LINE:,} letters", row=number)
            if not line.strip("\ufeff \t\r\n"):
                empty = empty or number
                continue
            if empty is not None:
                raise InvalidTableError(f"line {empty} is empty; take it out, for each line is a row", row=empty)
            yield _row(line, number)


def _row(line: str, number: int) -> dict[str, str | None]:
    try:
        row = _DECODER.decode(line.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        what = "nests too deeply" if isinstance(error, RecursionError) else f"is not JSON: {error}"
        raise InvalidTableError(f"line {number} {what}; each line must be an object", row=number) from error
    if not isinstance(row, dict):
        raise InvalidTableError(
            f'line {number} is {_kind(row)}; each line must be an object, as {{"age": 31, "y": 1}}', row=number
        )
    for name, value in row.items():
        if value is not None and not isinstance(value, str):
            if not isinstance(value, bool):
                raise InvalidTableError(
                    f"line {number}: '{name}' is {_kind(value)}; make a field of each of its values",
                    row=number,
                    column=name,
                )
            row[name] = _BOOLEANS[value]
    return row


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "one value"


def _to_batch(rows: list[dict[str, str | None]], columns: Sequence[str], first: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {name: _to_text([row.get(name) for row in rows], name, first) for name in columns}
    )


def _to_text(values: list[str | None], name: str, first: int) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        row = first + next(i for i, value in enumerate(values) if value and not _is_whole(value))
        message = f"line {row}: '{name}' has half a letter, as \\ud83d without the other half"
        raise InvalidTableError(message, row=row, column=name) from error


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
