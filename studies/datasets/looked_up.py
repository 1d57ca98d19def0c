"""Finds the values that come to a model as they stand, and checks that those it looks up are in its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from studies.array import Array
from studies.errors import InvalidTableError
from studies.keras_config.lookups import Lookup
from studies.keras_config.vocabulary import Vocabulary


def positions(lookups: Sequence[Lookup]) -> list[int]:
    """The positions of a row's values that are looked up or prepared by the model, and so are not scaled."""
    return sorted({position for lookup in lookups for position in lookup.positions})


def exact_positions(lookups: Sequence[Lookup]) -> list[int]:
    """Those of them that are looked up, and so are not filled in where they are missing."""
    return positions([lookup for lookup in lookups if lookup.size is not None])


def vocabularies(lookups: Sequence[Lookup]) -> dict[str, Vocabulary]:
    """The vocabularies in which the texts of columns are looked up, by column."""
    return {lookup.column: lookup.vocabulary for lookup in lookups if lookup.vocabulary is not None}


def check(x: Array, lookups: Sequence[Lookup], names: Sequence[str], describe_row: Callable[[int], str]) -> None:
    """Check the looked-up values of rows before any scaling; `names` are those of the inputs, none of an image.

    Raises InvalidTableError, which names the first that is not in its table.
    """
    flat = x.reshape(len(x), prod(x.shape[1:]))
    for lookup in lookups:
        if lookup.size is None:
            continue
        values = flat[:, lookup.positions]
        # NaN is not equal to anything.
        wrong = ~((values == np.floor(values)) & (values >= 0) & (values < lookup.size))
        if wrong.any():
            row, column = (int(index) for index in np.argwhere(wrong)[0])
            name = names[lookup.positions[column]] if names else None
            raise _error(values[row, column], name, describe_row(row), row, lookup, lookup.size)


def _error(value: float, name: str | None, where: str, row: int, lookup: Lookup, size: int) -> InvalidTableError:
    subject = "a value" if name is None else f"column '{name}'"
    held = "has no value" if np.isnan(value) else f"is {value:.10g}"
    advice = f"; or set {lookup.limit} to {int(value) + 1}" if value >= size and value == np.floor(value) else ""
    return InvalidTableError(
        f"{subject} {held} in {where}, and {lookup.location} looks it up: right is a whole number from 0 to "
        f"{size - 1}{advice}",
        row=row + 1,
        column=name,
    )
