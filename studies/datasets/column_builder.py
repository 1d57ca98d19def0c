"""A column on its way from Arrow's record batches to a typed array.

Text is taken for the first kind that the first values fit. When later ones do not, what was gathered is dropped and the
column is to be read once more as a later kind: a file is read once where nothing surprises, and no more of it is in
memory than some batches and the typed columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from studies.datasets.table import KEPT_LEVELS, Column, ColumnKind, by_frequency, row_number, row_words
from studies.errors import InvalidTableError
from studies.spec.table import TableFormat

Array = npt.NDArray[Any]

#: What text is tried as, in this order; anything is a level.
_KINDS: tuple[ColumnKind, ...] = ("boolean", "numeric", "date", "categorical")
_BOOLEANS = pa.array(["true", "false"])
#: Levels of a feature that are told apart; a column of more is an identifier, and its text would fill the memory.
_MOST_LEVELS = 100_000
_LARGEST = np.finfo(np.float32).max
#: What Arrow may hold the values of a kind as; text may be of any kind.
_FITTING: dict[ColumnKind, set[ColumnKind | None]] = {
    "boolean": {"boolean", "categorical"},
    "numeric": {"numeric", "boolean", "categorical"},
    "date": {"date", "categorical"},
    "categorical": {"numeric", "boolean", "date", "categorical"},
}
_TIMES = (pa.timestamp("ms"), pa.timestamp("ms", "UTC"))


class Gathering:
    """One column being gathered; `role` is the option that names it, if any."""

    def __init__(self, name: str, file_format: TableFormat, role: str | None, after: Gathering | None = None) -> None:
        self.name, self.role = name, role
        self.failed = False  # to be what the first values were: it must be read once more
        self.note = ""
        self._format = file_format
        self._untried = _KINDS if after is None or after.kind is None else _KINDS[_KINDS.index(after.kind) + 1 :]
        if after is not None:
            self.note = after.note
        self.kind: ColumnKind | None = None  # None until the first value
        self._rows = 0
        self._parts: list[Array] = []
        self._levels: dict[str, int] = {}
        self._infinite: int | None = None

    def add(self, values: pa.Array) -> None:
        """Take in the next values."""
        if self.failed:
            return
        if self.kind is None and values.null_count < len(values):
            self.kind = self._kind(values)
            self._parts = [self._empty(self.kind, self._rows)]
        if self.kind is not None:
            part = self._typed(self.kind, values)
            if part is None:
                self._fail(values)
                return
            self._parts.append(part)
        self._rows += len(values)

    def column(self) -> Column:
        """The whole column; InvalidTableError when a value of it is infinite."""
        if self._infinite is not None:
            at = row_words(self._format, self._infinite)
            raise InvalidTableError(
                f"column '{self.name}': {at} is infinite or too large for a 32-bit number; leave it empty if it is "
                "not known",
                row=row_number(self._format, self._infinite),
                column=self.name,
            )
        kind = self.kind or "numeric"
        values = np.concatenate(self._parts) if self._parts else self._empty(kind, self._rows)
        self._parts.clear()
        if kind != "categorical":
            return Column(self.name, kind, values, note=self.note)
        untold = values >= _MOST_LEVELS if self.role is None else np.zeros(0, bool)
        codes, levels = by_frequency(np.where(untold, -1, values) if untold.any() else values, list(self._levels))
        distinct = len(levels)
        if self.role is None and distinct > KEPT_LEVELS:
            codes, levels = np.minimum(codes, np.int32(KEPT_LEVELS)), levels[:KEPT_LEVELS]
            codes[untold] = KEPT_LEVELS
        return Column(self.name, kind, codes, tuple(levels), distinct, self.note)

    def _kind(self, values: pa.Array) -> ColumnKind:
        if self.role == "group":
            return "categorical"
        kind = kind_of(values.type)
        if kind is None:
            raise InvalidTableError(
                f"column '{self.name}' holds {values.type}, not numbers, text, dates, or true and false; list it in "
                "`ignore`",
                column=self.name,
            )
        if kind == "categorical" and self._format in {"csv", "tsv"}:
            return next(kind for kind in self._untried if self._typed(kind, values) is not None)
        return kind

    def _typed(self, kind: ColumnKind, values: pa.Array) -> Array | None:
        """The values as the array of a kind; None when they do not fit it."""
        if not pa.types.is_null(values.type) and kind_of(values.type) not in _FITTING[kind]:
            return None
        if pa.types.is_null(values.type):
            values = values.cast(pa.string())
        match kind:
            case "boolean":
                return _booleans(values)
            case "numeric":
                found = _numbers(values, wide=self.role is not None)
                if found is not None and self._infinite is None:
                    infinite = np.flatnonzero(np.abs(found) > _LARGEST)
                    self._infinite = self._rows + int(infinite[0]) if len(infinite) else None
                return found
            case "date":
                return _dates(values)
        return self._codes(values)

    def _codes(self, values: pa.Array) -> Array:
        encoded = pc.cast(values, pa.string()).dictionary_encode()
        levels, known = encoded.dictionary.to_pylist(), self._levels
        for level in levels:
            if level not in known and (self.role is not None or len(known) < _MOST_LEVELS):
                known[level] = len(known)
        places = np.array([*(known.get(level, _MOST_LEVELS) for level in levels), -1], np.int32)
        indices = np.asarray(encoded.indices.fill_null(-1))
        return np.asarray(places[indices])

    def _fail(self, values: pa.Array) -> None:
        self.failed = True
        self._parts.clear()
        self._levels.clear()
        self._infinite = None
        if self.kind == "numeric" and not self.note and kind_of(values.type) == "categorical":
            first = next(i for i, text in enumerate(values) if text.is_valid and _numbers(values[i : i + 1]) is None)
            at = row_words(self._format, self._rows + first)
            self.note = f"read as text, for {at} holds '{str(values[first])[:40]}' where numbers stand before it"

    def misfit(self, values: pa.ChunkedArray) -> InvalidTableError:
        """The error of a column that is not of the kind it was said to be."""
        expected = {"numeric": "a number", "boolean": "true or false", "date": "a date as 2026-01-31"}[str(self.kind)]
        kind = self.kind or "numeric"
        first = next(i for i in range(len(values)) if values[i].is_valid and not self._fits(kind, values.slice(i, 1)))
        at, value = row_words(self._format, first), str(values[first])[:40]
        return InvalidTableError(
            f"column '{self.name}': {at} holds '{value}', not {expected}",
            row=row_number(self._format, first),
            column=self.name,
        )

    def _fits(self, kind: ColumnKind, values: pa.ChunkedArray) -> bool:
        return self._typed(kind, values.combine_chunks()) is not None

    @staticmethod
    def _empty(kind: ColumnKind, rows: int) -> Array:
        match kind:
            case "numeric":
                return np.full(rows, np.nan, np.float32)
            case "date":
                return np.full(rows, np.datetime64("NaT"), "datetime64[ms]")
        return np.full(rows, -1, np.int8 if kind == "boolean" else np.int32)


def as_kind(name: str, kind: ColumnKind, values: pa.ChunkedArray, file_format: TableFormat) -> Column:
    """A column whose kind is known; InvalidTableError names the row that is of another."""
    gathering = Gathering(name, file_format, "given")  # all its levels are kept
    gathering.kind = kind
    for chunk in values.chunks:
        gathering.add(chunk)
    if gathering.failed:
        raise gathering.misfit(values)
    return gathering.column()


def kind_of(kind: pa.DataType) -> ColumnKind | None:
    """What an Arrow type is read as; None when it cannot be."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return "numeric"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "date"
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "categorical" if text else None


def _booleans(values: pa.Array) -> Array | None:
    if not pa.types.is_boolean(values.type):
        lowered = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        if not pc.all(pc.is_in(lowered, value_set=_BOOLEANS).filter(values.is_valid())).as_py():
            return None
        values = pc.equal(lowered, "true")
    return np.asarray(pc.cast(values, pa.int8()).fill_null(-1))


def _numbers(values: pa.Array, *, wide: bool = False) -> Array | None:
    kind = pa.float64() if wide else pa.float32()
    try:
        found = pc.cast(values, kind, safe=False)
    except pa.ArrowInvalid:
        if kind_of(values.type) != "categorical":
            raise
        try:
            found = pc.cast(pc.utf8_trim_whitespace(values), kind)
        except pa.ArrowInvalid:
            return None
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.float64 if wide else np.float32)


def _dates(values: pa.Array) -> Array | None:
    for kind in _TIMES:
        try:
            # To whole days or milliseconds: what is finer tells a model nothing.
            found = pc.cast(values, kind, safe=pa.types.is_string(values.type))
        except pa.ArrowInvalid:
            continue
        return np.asarray(pc.cast(found, pa.timestamp("ms")).to_numpy(zero_copy_only=False), dtype="datetime64[ms]")
    return None
