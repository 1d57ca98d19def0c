"""Which inputs a model gets from a table: fixed by the whole file, so that every fold has the same.

What is fixed here is which columns are constant, which lack values somewhere, and which levels are frequent. None of it
reads the target. What is estimated, medians, means and deviations, is fitted on training rows only (`pipeline`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from studies.datasets.table import Column, ColumnKind, Table
from studies.frozen_model import FrozenModel

Array = npt.NDArray[Any]
DatePart = Literal["days", "month", "day", "weekday", "hour"]

MOST_LEVELS = 30  # of a column that become inputs of their own; the others become one together
LEAST_ROWS = 5  # of such a level
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
    kind: ColumnKind
    lacks: bool  # whether a value is missing somewhere; then one more input says where
    levels: tuple[str, ...] = ()  # each an input that is 0 or 1
    other: bool = False  # whether rarer levels are one more input
    parts: tuple[DatePart, ...] = ()  # of a date

    @property
    def inputs(self) -> Iterator[str]:
        """The names of its inputs."""
        match self.kind:
            case "categorical":
                yield from (f"{self.name}={level}" for level in self.levels)
                if self.other:
                    yield f"{self.name}=(other)"
            case "date":
                yield from (f"{self.name} ({part})" for part in self.parts)
            case _:
                yield self.name
        if self.lacks:
            yield f"{self.name} (missing)"

    @property
    def measured(self) -> int:
        """How many of them, the first, are numbers that are standardised; all others are 0 or 1."""
        return {"numeric": 1, "date": len(self.parts)}.get(self.kind, 0)

    @property
    def filled(self) -> int:
        """How many of them, the first, are filled where the value is missing."""
        return (self.measured or int(self.kind == "boolean")) if self.lacks else 0


class Layout(FrozenModel):
    """The inputs of a table, in order."""

    columns: tuple[ColumnLayout, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """A name for each input, all different."""
        names: dict[str, None] = {}
        for column in self.columns:
            for name in column.inputs:
                unique = name
                while unique in names:  # a column may be called as another's input is
                    unique += "'"
                names[unique] = None
        return tuple(names)

    def places(self) -> Iterator[tuple[ColumnLayout, int]]:
        """Each column with the place of its first input."""
        place = 0
        for column in self.columns:
            yield column, place
            place += sum(1 for _ in column.inputs)

    @property
    def scaled(self) -> tuple[int, ...]:
        """The inputs that are standardised."""
        return tuple(place + i for column, place in self.places() for i in range(column.measured))

    @property
    def filled(self) -> tuple[int, ...]:
        """The inputs that are filled where the value is missing."""
        return tuple(place + i for column, place in self.places() for i in range(column.filled))


def layout(table: Table) -> Layout:
    """The layout of a table; columns that tell nothing, such as constant ones, give no input."""
    found = (column_layout(column) for column in table.features)
    return Layout(columns=tuple(column for column in found if any(True for _ in column.inputs)))


def column_layout(column: Column) -> ColumnLayout:
    """The inputs of a column."""
    missing = column.missing
    lacks = bool(missing.any()) and not missing.all()
    match column.kind:
        case "categorical":
            return _levels_of(column, lacks)
        case "date":
            there = column.values[~missing]
            parts = tuple(part for part, of in _PARTS.items() if len(there) and np.ptp(of(there)) > 0)
            return ColumnLayout(name=column.name, kind=column.kind, lacks=lacks, parts=parts)
    there = column.values[~missing]
    if len(there) and there.min() < there.max():
        return ColumnLayout(name=column.name, kind=column.kind, lacks=lacks)
    # One value, or none: only whether it is there can tell something.
    return ColumnLayout(name=column.name, kind="categorical", lacks=lacks)


def _levels_of(column: Column, lacks: bool) -> ColumnLayout:
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels) + 1)
    named = tuple(level for level, rows in zip(column.levels, counts, strict=False) if rows >= LEAST_ROWS)[:MOST_LEVELS]
    rest = int(counts.sum() - counts[: len(named)].sum())
    # Two levels and nothing else are told apart by one input, as `true` and `false` are.
    if len(named) == 2 and not rest and not lacks:
        named = named[1:]
    # All rows of one level, or all too rare to be told apart.
    if rest == 0 and len(named) <= 1 and len(column.levels) == 1:
        named = ()
    return ColumnLayout(
        name=column.name, kind="categorical", lacks=lacks, levels=named, other=rest > 0 and len(named) > 0
    )


def encode(columns: Sequence[Column], to: Layout) -> Array:
    """The inputs as float32, NaN where a number or date is missing; nothing here is fitted.

    `columns` are those of the layout, in its order.
    """
    x = np.zeros((len(columns[0].values) if columns else 0, len(to.features)), np.float32)
    for column, (form, place) in zip(columns, to.places(), strict=True):
        _encode(column, form, x[:, place:])
    return x


def _encode(column: Column, form: ColumnLayout, x: Array) -> None:
    """Write one column's inputs into the first columns of `x`, which holds zeros."""
    missing = column.missing
    width = sum(1 for _ in form.inputs)
    match form.kind:
        case "categorical":
            for place, level in enumerate(form.levels):
                x[:, place] = column.values == column.levels.index(level) if level in column.levels else 0
            if form.other:
                known = x[:, : len(form.levels)].any(axis=1)
                x[:, len(form.levels)] = ~(known | missing)
        case "date":
            for place, part in enumerate(form.parts):
                x[~missing, place] = _PARTS[part](column.values[~missing])
                x[missing, place] = np.nan
        case "boolean":
            x[:, 0] = np.where(missing, np.nan, column.values)
        case _:
            x[:, 0] = column.values
    if form.lacks:
        x[:, width - 1] = missing
