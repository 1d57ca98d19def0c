"""Lay out the inputs that a model gets from a table: fixed by the whole file, so that every fold has the same.

The layout says which columns are constant, which lack values somewhere, and which levels are frequent. None of it reads
the target. Medians, means and deviations are estimates, so they are fitted on training rows only (`pipeline`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator

from studies.array import Array
from studies.datasets.reading import ColumnKind, Reading, rename_old_kind
from studies.datasets.table import Column, Table
from studies.frozen_model import FrozenModel

DatePart = Literal["days", "month", "day", "weekday", "hour"]

_MAX_LEVELS = 30  # of a column that become inputs of their own; the others become one together
MIN_LEVEL_ROWS = 5  # of such a level
SAME = "is the same in every row"  # why a column gives no input
_DAY = np.timedelta64(1, "D")
_PARTS: dict[DatePart, Callable[[Array], Array]] = {
    "days": lambda dates: (dates - np.datetime64(0, "ms")) / _DAY,  # since 1970, with their fraction: the trend
    "month": lambda dates: dates.astype("datetime64[M]").astype(np.int64) % 12 + 1,
    "day": lambda dates: (dates.astype("datetime64[D]") - dates.astype("datetime64[M]")) / _DAY + 1,
    "weekday": lambda dates: (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7,  # Monday is 0
    "hour": lambda dates: (dates - dates.astype("datetime64[D]")) / np.timedelta64(1, "h"),
}


class ColumnLayout(FrozenModel):
    """The inputs that one column gives."""

    name: str
    kind: Annotated[ColumnKind, BeforeValidator(rename_old_kind)]
    lacks: bool  # a value is missing somewhere; then one more input says where
    levels: tuple[str, ...] = ()  # each an input that is 0 or 1
    other: bool = False  # rarer levels are one more input
    parts: tuple[DatePart, ...] = ()  # of a date
    known: tuple[str, ...] = ()  # every level that training told apart, those that give no input of their own too
    knows_all: bool = True  # `known` are all levels, and not only the most frequent
    reading: Reading | None = None  # how its texts become values
    shape: tuple[int, ...] = ()  # of an array of several axes, in one row

    @property
    def inputs(self) -> Iterator[str]:
        """The names of its inputs."""
        match self.kind:
            case "category":
                yield from (f"{self.name}={level}" for level in self.levels)
                if self.other:
                    yield f"{self.name}=(other)"
            case "date":
                yield from (f"{self.name} ({part})" for part in self.parts)
            case _ if self.shape:
                yield from (f"{self.name}[{index}]" for index in range(prod(self.shape)))
            case _:
                yield self.name
        if self.lacks:
            yield f"{self.name} (missing)"

    @property
    def width(self) -> int:
        """The number of its inputs."""
        return prod(self.shape) if self.shape else sum(1 for _ in self.inputs)

    @property
    def measured(self) -> int:
        """The number of inputs, the first ones, that are standardised numbers; all others are 0 or 1."""
        return 0 if self.shape else {"number": 1, "date": len(self.parts)}.get(self.kind, 0)

    @property
    def filled(self) -> int:
        """The number of inputs, the first ones, that are filled where the value is missing."""
        return (self.measured or int(self.kind == "boolean")) if self.lacks else 0


class Layout(FrozenModel):
    """The inputs of a table, in order."""

    columns: tuple[ColumnLayout, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """A name for each input, all distinct."""
        names: dict[str, None] = {}
        for column in self.columns:
            for name in column.inputs:
                unique = name
                while unique in names:  # a column may be called as another's input is
                    unique += "'"
                names[unique] = None
        return tuple(names)

    def offsets(self) -> Iterator[tuple[ColumnLayout, int]]:
        """Pair each column with the index of its first input."""
        offset = 0
        for column in self.columns:
            yield column, offset
            offset += column.width

    @property
    def arrays(self) -> tuple[range, ...]:
        """The indices of the inputs of each array; its values are standardised together."""
        return tuple(range(at, at + column.width) for column, at in self.offsets() if column.shape)

    @property
    def scaled(self) -> tuple[int, ...]:
        """The indices of the inputs that are standardised, each by itself."""
        return tuple(offset + i for column, offset in self.offsets() for i in range(column.measured))

    @property
    def filled(self) -> tuple[int, ...]:
        """The indices of the inputs that are filled where the value is missing."""
        return tuple(offset + i for column, offset in self.offsets() for i in range(column.filled))


def lay_out(table: Table) -> Layout:
    """Lay out the inputs of a table, arrays first; columns that tell nothing, such as constant ones, give none.

    A constant one that was asked for as a number gives its input: a user's model may have a place for it.
    """
    arrays = (
        ColumnLayout(name=name, kind="number", lacks=False, shape=array.shape[1:])
        for name, array in table.arrays.items()
    )
    columns = (lay_out_column(column) for column in table.features)
    return Layout(columns=(*arrays, *(column for column in columns if column.width)))


def lay_out_column(column: Column) -> ColumnLayout:
    """Lay out the inputs of a column."""
    if column.left_out:
        return ColumnLayout(name=column.name, kind="category", lacks=False)
    missing = column.missing
    lacks = bool(missing.any()) and not missing.all()
    match column.kind:
        case "category":
            return _lay_out_levels(column, lacks)
        case "date":
            dates = column.values[~missing]
            parts = tuple(part for part, extract in _PARTS.items() if len(dates) and np.ptp(extract(dates)) > 0)
            return ColumnLayout(name=column.name, kind="date", lacks=lacks, parts=parts, reading=column.reading)
    values = column.values[~missing]
    if len(values) and (column.kept or values.min() < values.max()):
        return ColumnLayout(name=column.name, kind=column.kind, lacks=lacks, reading=column.reading)
    # One value, or none: only its absence can tell a model anything.
    return ColumnLayout(name=column.name, kind="category", lacks=lacks)


def _lay_out_levels(column: Column, lacks: bool) -> ColumnLayout:
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels) + 1)
    named = tuple(level for level, rows in zip(column.levels, counts, strict=False) if rows >= MIN_LEVEL_ROWS)[
        :_MAX_LEVELS
    ]
    rest = int(counts.sum() - counts[: len(named)].sum())
    # Two levels and nothing else are told apart by one input, as `true` and `false` are.
    if len(named) == 2 and not rest and not lacks:
        named = named[1:]
    # All rows of one level, or all too rare to be told apart.
    if rest == 0 and len(named) <= 1 and len(column.levels) == 1:
        named = ()
    other = rest > 0 and len(named) > 0
    known = column.levels if named else ()
    return ColumnLayout(
        name=column.name,
        kind="category",
        lacks=lacks,
        levels=named,
        other=other,
        known=known,
        knows_all=column.distinct == len(column.levels),
        reading=column.reading,
    )


def encode(columns: Sequence[Column | Array], layout: Layout) -> Array:
    """Encode columns and arrays as inputs, float32 (rows, inputs); fit nothing.

    An input is NaN where its number or date is missing, and those of levels are where the level is none that training
    knew. `columns` are those of the layout, in its order.
    """
    rows = [len(column.values if isinstance(column, Column) else column) for column in columns[:1]]
    x = np.zeros((sum(rows), sum(column.width for column in layout.columns)), np.float32)
    for column, (column_layout, offset) in zip(columns, layout.offsets(), strict=True):
        if isinstance(column, Column):
            _encode_column(column, column_layout, x[:, offset:])
        else:
            x[:, offset : offset + column_layout.width] = column.reshape(len(column), -1)
    return x


def _encode_column(column: Column, layout: ColumnLayout, x: Array) -> None:
    """Write one column's inputs into the first columns of `x`, which holds zeros.

    Of texts that the model looks up the first is the index of each, and the others stay 0.
    """
    if column.indices is not None:
        x[:, 0] = column.indices
        return
    missing = column.missing
    match layout.kind:
        case "category":
            _encode_levels(column, layout, x)
        case "date":
            for index, part in enumerate(layout.parts):
                x[~missing, index] = _PARTS[part](column.values[~missing])
                x[missing, index] = np.nan
        case "boolean":
            x[:, 0] = np.where(missing, np.nan, column.values)
        case _:
            x[:, 0] = column.values
    if layout.lacks:
        x[:, layout.width - 1] = missing


def _encode_levels(column: Column, layout: ColumnLayout, x: Array) -> None:
    for index, level in enumerate(layout.levels):
        x[:, index] = column.values == column.levels.index(level) if level in column.levels else 0
    inputs = len(layout.levels) + layout.other
    if layout.other:
        x[:, inputs - 1] = ~(x[:, : inputs - 1].any(axis=1) | column.missing)
    elif layout.known:
        x[column.values == len(layout.known), :inputs] = np.nan  # see `Column.levels` of new rows
    if not layout.lacks:
        x[column.missing, :inputs] = np.nan
