"""Build a typed column from Arrow's record batches.

A text column is of the first kind that its first values fit. When later values do not fit it, the values so far are
dropped and the column is read once more as a later kind. So a file whose values keep to a kind is read once, and no
more of it is in memory than some batches and the typed columns.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studies.array import Array
from studies.datasets.casting import kind_of_type, to_booleans, to_dates, to_numbers
from studies.datasets.table import KEPT_LEVELS, Column, ColumnKind, describe_row, row_number, sort_by_frequency
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat

#: The kinds that text is tried as, in this order; any text is a level of a categorical column.
_KINDS: tuple[ColumnKind, ...] = ("boolean", "numeric", "date", "categorical")
#: Levels of a feature that are told apart; a column of more is an identifier, and its text would fill the memory.
_MAX_LEVELS = 100_000
_LARGEST = np.finfo(np.float32).max
#: The kinds of Arrow's values that each kind of column can be cast from; text may be of any kind.
_CASTABLE: dict[ColumnKind, set[ColumnKind | None]] = {
    "boolean": {"boolean", "categorical"},
    "numeric": {"numeric", "boolean", "categorical"},
    "date": {"date", "categorical"},
    "categorical": {"numeric", "boolean", "date", "categorical"},
}


class ColumnBuilder:
    """One column that is being built; `role` is the option that names it, if any."""

    def __init__(self, name: str, file_format: TableFormat, role: str | None) -> None:
        self.name, self.role = name, role
        self.failed = False  # to be of the first values' kind: the column must be read once more
        self.kind: ColumnKind | None = None  # None until the first value
        self._format = file_format
        self._note = ""
        self._untried = _KINDS
        self._rows = 0
        self._chunks: list[Array] = []
        self._levels: dict[str, int] = {}
        self._infinite: int | None = None  # the first row whose number is too large

    def retry(self) -> ColumnBuilder:
        """Make a builder that reads the column again, as a kind behind the one that failed."""
        builder = ColumnBuilder(self.name, self._format, self.role)
        builder._note = self._note
        if self.kind is not None:
            builder._untried = _KINDS[_KINDS.index(self.kind) + 1 :]
        return builder

    def add(self, values: pa.Array) -> None:
        """Take in the next values."""
        if self.failed:
            return
        if self.kind is None and values.null_count < len(values):
            self.kind = self._choose_kind(values)
            self._chunks = [self._empty(self.kind, self._rows)]
        if self.kind is not None:
            chunk = self._cast(self.kind, values)
            if chunk is None:
                self._fail(values)
                return
            self._chunks.append(chunk)
        self._rows += len(values)

    def build(self) -> Column:
        """Join the values into a column.

        Raises InvalidTableError when one of them is infinite.
        """
        if self._infinite is not None:
            raise InvalidTableError(
                f"column '{self.name}': {describe_row(self._format, self._infinite)} is infinite or too large for a "
                "32-bit number; leave it empty if it is not known",
                row=row_number(self._format, self._infinite),
                column=self.name,
            )
        kind = self.kind or "numeric"
        values = np.concatenate(self._chunks) if self._chunks else self._empty(kind, self._rows)
        self._chunks.clear()
        if kind != "categorical":
            return Column(self.name, kind, values, note=self._note)
        untold = values >= _MAX_LEVELS if self.role is None else np.zeros(0, bool)
        codes, levels = sort_by_frequency(np.where(untold, -1, values) if untold.any() else values, list(self._levels))
        distinct = len(levels)
        if self.role is None and distinct > KEPT_LEVELS:
            codes, levels = np.minimum(codes, np.int32(KEPT_LEVELS)), levels[:KEPT_LEVELS]
            codes[untold] = KEPT_LEVELS
        return Column(self.name, kind, codes, tuple(levels), distinct, self._note)

    def _choose_kind(self, values: pa.Array) -> ColumnKind:
        if self.role == "group":
            return "categorical"
        kind = kind_of_type(values.type)
        if kind is None:
            raise InvalidTableError(
                f"column '{self.name}' holds {values.type}, not numbers, text, dates, or true and false; list it in "
                "`ignore`",
                column=self.name,
            )
        if kind == "categorical" and self._format not in {"parquet", "feather", "npz"}:
            return next(kind for kind in self._untried if self._cast(kind, values) is not None)
        return kind

    def _cast(self, kind: ColumnKind, values: pa.Array) -> Array | None:
        """Cast values to the array of a kind; None when they do not fit it."""
        if not pa.types.is_null(values.type) and kind_of_type(values.type) not in _CASTABLE[kind]:
            return None
        if pa.types.is_null(values.type):
            values = values.cast(pa.string())
        match kind:
            case "boolean":
                return to_booleans(values)
            case "numeric":
                numbers = to_numbers(values, wide=self.role is not None)
                if numbers is not None and self._infinite is None:
                    infinite = np.flatnonzero(np.abs(numbers) > _LARGEST)
                    self._infinite = self._rows + int(infinite[0]) if len(infinite) else None
                return numbers
            case "date":
                return to_dates(values)
        return self._code(values)

    def _code(self, values: pa.Array) -> Array:
        """Number the levels as they come, int32, −1 where missing; all levels above the maximum share a number."""
        encoded = pc.cast(values, pa.string()).dictionary_encode()
        levels, known = encoded.dictionary.to_pylist(), self._levels
        for level in levels:
            if level not in known and (self.role is not None or len(known) < _MAX_LEVELS):
                known[level] = len(known)
        numbers = np.array([*(known.get(level, _MAX_LEVELS) for level in levels), -1], np.int32)
        indices = np.asarray(encoded.indices.fill_null(-1))
        return np.asarray(numbers[indices])

    def _fail(self, values: pa.Array) -> None:
        self.failed = True
        self._chunks.clear()
        self._levels.clear()
        self._infinite = None
        if self.kind == "numeric" and not self._note and kind_of_type(values.type) == "categorical":
            first = next(i for i, text in enumerate(values) if text.is_valid and to_numbers(values[i : i + 1]) is None)
            row = describe_row(self._format, self._rows + first)
            self._note = f"read as text, for {row} holds '{str(values[first])[:40]}' where numbers stand before it"

    def misfit_error(self, values: pa.ChunkedArray) -> InvalidTableError:
        """The error for values of another kind than the builder's; names their first row."""
        expected = {"numeric": "a number", "boolean": "true or false", "date": "a date as 2026-01-31"}[str(self.kind)]
        kind = self.kind or "numeric"
        first = next(i for i in range(len(values)) if values[i].is_valid and not self._fits(kind, values.slice(i, 1)))
        return InvalidTableError(
            f"column '{self.name}': {describe_row(self._format, first)} holds '{str(values[first])[:40]}', not "
            f"{expected}",
            row=row_number(self._format, first),
            column=self.name,
        )

    def _fits(self, kind: ColumnKind, values: pa.ChunkedArray) -> bool:
        return self._cast(kind, values.combine_chunks()) is not None

    @staticmethod
    def _empty(kind: ColumnKind, rows: int) -> Array:
        match kind:
            case "numeric":
                return np.full(rows, np.nan, np.float32)
            case "date":
                return np.full(rows, np.datetime64("NaT"), "datetime64[ms]")
        return np.full(rows, -1, np.int8 if kind == "boolean" else np.int32)


def build_as_kind(name: str, kind: ColumnKind, values: pa.ChunkedArray, file_format: TableFormat) -> Column:
    """Build a column whose kind is known.

    Raises InvalidTableError, which names the row, when a value is of another kind.
    """
    builder = ColumnBuilder(name, file_format, "known")  # any role: all levels are kept
    builder.kind = kind
    for chunk in values.chunks:
        builder.add(chunk)
    if builder.failed:
        raise builder.misfit_error(values)
    return builder.build()
