"""A table in memory: typed features, and the columns that have a role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from studies.array import Array
from studies.spec.table import TableFormat, TableOptions

ColumnKind = Literal["numeric", "boolean", "categorical", "date"]

#: Levels of a feature that are kept by name, the most frequent; all others share one more code behind them.
KEPT_LEVELS = 200


@dataclass(frozen=True)
class Column:
    """The values of one column, as compact as their kind allows."""

    name: str
    kind: ColumnKind
    #: numeric: float32 (float64 where it is no feature), NaN where missing; boolean: int8, −1 where missing;
    #: categorical: int32 numbers of levels, −1 where missing; date: datetime64[ms], NaT where missing
    values: Array
    levels: tuple[str, ...] = ()  # of a categorical column, the most frequent first
    distinct: int = 0  # levels of a categorical column, counting those that are not kept by name
    note: str = ""  # what was odd about it when it was read

    @property
    def missing(self) -> Array:
        """A mask of the rows without a value."""
        if self.kind == "date":
            return np.isnat(self.values)
        return np.isnan(self.values) if self.kind == "numeric" else self.values < 0


@dataclass(frozen=True)
class Table:
    """A file's features, and the columns that have a role apart from them."""

    format: TableFormat
    options: TableOptions
    features: tuple[Column, ...]
    target: Column
    weight: Column | None = None  # numeric
    group: Column | None = None  # categorical, all levels by number
    time: Column | None = None  # numeric or date
    ignored: tuple[str, ...] = ()
    images: Array | None = None  # float32, (rows, height, width, channels); then there are no features
    note: str = ""  # what was odd about the file when it was read

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.target.values)

    def describe_row(self, index: int) -> str:
        """Name a row as the user counts them, for messages."""
        return describe_row(self.format, index)


_HEADED = ("csv", "tsv", "xlsx")  # formats whose row 1 is the header


def row_number(file_format: TableFormat, index: int) -> int:
    """The number of a row as the user counts them: where there is a header, that is row 1, as in a spreadsheet."""
    return index + (2 if file_format in _HEADED else 1)


def describe_row(file_format: TableFormat, index: int) -> str:
    """Name a row by its number, and say where that counts from unless it is plain."""
    number = row_number(file_format, index)
    if file_format == "jsonl":
        return f"line {number}"
    return f"row {number} (the header is row 1)" if file_format in _HEADED else f"row {number}"


def sort_by_frequency(codes: Array, levels: Sequence[str]) -> tuple[Array, list[str]]:
    """Sort levels by how many rows have them, then by name, and renumber the codes; drop levels without rows."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda level: (-counts[level], levels[level]))
    new_codes = np.full(len(levels) + 1, -1, np.int32)  # the last is what −1 points at
    new_codes[order] = np.arange(len(order), dtype=np.int32)
    return new_codes[codes], [levels[level] for level in order]
