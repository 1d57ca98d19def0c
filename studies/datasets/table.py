"""A table in memory: typed features, and the columns that have a role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from studies.array import Array
from studies.datasets.reading import ColumnKind, Evidence, Reading
from studies.predictions import ClassType
from studies.spec.table import TableFormat, TableOptions

#: Levels of a feature that are kept by name, the most frequent; all others share one more code behind them.
KEPT_LEVELS = 200
#: Levels of a feature that are told apart, the first ones; a column of more is an identifier, and its text would fill
#: the memory.
TOLD_APART = 100_000


def is_missing(values: Array) -> Array:
    """A mask of the missing values of a column, whatever its kind."""
    match values.dtype.kind:
        case "M":
            return np.isnat(values)
        case "f":
            return np.isnan(values)
    return np.asarray(values < 0)


def spread(of_levels: Array, codes: Array) -> Array:
    """The value of each row's level; missing where the code is −1."""
    missing = {"f": np.nan, "M": np.datetime64("NaT"), "i": -1}[of_levels.dtype.kind]
    return np.append(of_levels, np.array([missing], of_levels.dtype))[codes]


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
    reading: Reading | None = None  # how its texts became values
    evidence: tuple[Evidence, ...] = ()  # why it is read so
    left_out: str = ""  # why it gives no input, where its values alone do not say so
    kept: bool = False  # it was asked for as a number, and gives an input also where it is the same in every row
    written: Column | None = None  # a target of numbers as it was written, a category, where there are few of them
    class_type: ClassType = "text"  # of a target whose file has types: what its classes are
    indices: Array | None = None  # int32: of texts that the model looks up, each row's index in its vocabulary

    def take(self, rows: Array) -> Column:
        """The column of some rows."""
        written = None if self.written is None else self.written.take(rows)
        indices = None if self.indices is None else self.indices[rows]
        if self.kind != "category":
            return replace(self, values=self.values[rows], written=written, indices=indices)
        codes = self.values[rows]
        others = codes >= len(self.levels)  # levels that are not kept by name
        codes, levels = sort_by_frequency(np.where(others, -1, codes), self.levels)
        codes = np.where(others, len(levels), codes).astype(np.int32)
        distinct = self.distinct - (len(self.levels) - len(levels))
        return replace(self, values=codes, levels=tuple(levels), distinct=distinct, indices=indices)

    @property
    def missing(self) -> Array:
        """A mask of the rows without a value."""
        return is_missing(self.values)


#: Stands for the target's name where nobody has said yet what is to be predicted; no file has such a column.
NO_TARGET = "\0"

Role = Literal["target", "weight", "group", "time"]


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
    ignored: Mapping[str, str] = field(default_factory=dict)  # columns that are not read, each with the reason
    images: Array | None = None  # float32, (rows, height, width, channels); then there are no features
    arrays: Mapping[str, Array] = field(default_factory=dict)  # such arrays that stand beside each other or features
    notes: tuple[str, ...] = ()  # what was odd about the file when it was read
    delimiter: str | None = None  # of a text's columns
    kept: Array | None = None  # the file's row, from 0, of each row; None where all rows are kept

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.target.values)

    @property
    def roles(self) -> list[tuple[Role, Column]]:
        """The columns that have a role, each with it."""
        target = None if self.target.name == NO_TARGET else self.target
        named: list[tuple[Role, Column | None]] = [
            ("target", target), ("weight", self.weight), ("group", self.group), ("time", self.time)
        ]  # fmt: skip
        return [(role, column) for role, column in named if column is not None]

    def describe_row(self, index: int) -> str:
        """Name a row as the user counts them, for messages."""
        return describe_row(self.format, self.file_row(index))

    def file_row(self, index: int) -> int:
        """The row of the file, from 0, that a row was."""
        return index if self.kept is None else int(self.kept[index])

    def without_kept(self) -> Table:
        """The table as earlier versions read it: no column that is the same in every row gives an input."""
        return replace(self, features=tuple(replace(column, kept=False) for column in self.features))

    def take(self, rows: Array, note: str) -> Table:
        """The table of some rows; `note` says which are left out."""
        weight, group, time = (
            None if column is None else column.take(rows) for column in (self.weight, self.group, self.time)
        )
        return replace(
            self,
            features=tuple(column.take(rows) for column in self.features),
            target=self.target.take(rows),
            images=None if self.images is None else self.images[rows],
            arrays={name: array[rows] for name, array in self.arrays.items()},
            notes=(*self.notes, note),
            kept=rows if self.kept is None else self.kept[rows],
            weight=weight,
            group=group,
            time=time,
        )


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
