"""Checks that what a model looks up is in its tables: whole numbers, each below the table's size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from studies.array import Array
from studies.errors import InvalidTableError
from studies.keras_config.lookups import Lookup


def positions(lookups: Sequence[Lookup]) -> list[int]:
    """The positions of a row's values that are looked up, and so are not scaled."""
    return sorted({position for lookup in lookups for position in lookup.positions})


def check(x: Array, lookups: Sequence[Lookup], names: Sequence[str], describe_row: Callable[[int], str]) -> None:
    """Check the looked-up values of rows before any scaling; `names` are those of the inputs, none of an image.

    Raises InvalidTableError, which names the first that is not in its table.
    """
    flat = x.reshape(len(x), prod(x.shape[1:]))
    for lookup in lookups:
        values = flat[:, lookup.positions]
        # NaN is not equal to anything.
        wrong = ~((values == np.floor(values)) & (values >= 0) & (values < lookup.size))
        if wrong.any():
            row, column = (int(index) for index in np.argwhere(wrong)[0])
            name = names[lookup.positions[column]] if names else None
            raise _error(values[row, column], name, describe_row(row), row, lookup)


def _error(value: float, name: str | None, where: str, row: int, lookup: Lookup) -> InvalidTableError:
    subject = "a value" if name is None else f"column '{name}'"
    held = "has no value" if np.isnan(value) else f"is {value:.10g}"
    advice = f"; or set input_dim to {int(value) + 1}" if value >= lookup.size and value == np.floor(value) else ""
    return InvalidTableError(
        f"{subject} {held} in {where}, and {lookup.location} looks it up: right is a whole number from 0 to "
        f"{lookup.size - 1}{advice}",
        row=row + 1,
        column=name,
    )
