"""What a fitted preprocessing does to each column, as numbers that Keras' layers hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from studies.array import Array
from studies.datasets import levels, pipeline
from studies.datasets.layout import ColumnLayout, DatePart, Layout
from studies.datasets.preparation import Preparation
from studies.datasets.reading import MISSING, ColumnKind
from studies.errors import DatasetError

UNKNOWN = "\x1a"  # ASCII's substitute: stands for every text that training never saw


_MAX_BLANKS = 4  # before or behind a text; a model has no operation that strips it
_BLANKS = (
    *((" " * count, "") for count in range(_MAX_BLANKS + 1)),
    *(("", " " * count) for count in range(1, _MAX_BLANKS + 1)),
    (" ", " "),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A column of numbers, booleans or dates: its inputs are standardised, and filled where it has no value."""

    name: str
    kind: ColumnKind
    parts: tuple[DatePart, ...]  # of a date; empty of a number or boolean
    missing: tuple[float, ...]  # numbers that stand for a missing value
    mean: Array  # float32, as `deviation` and `filled` an element an input
    deviation: Array
    filled: Array  # what the inputs are where the value is missing
    flagged: bool  # one more input is 1 where it is missing, else 0


@dataclass(frozen=True, slots=True)
class Named:
    """A column of texts: each text that is told apart has its inputs, and so have all others together."""

    name: str
    texts: tuple[str, ...]
    inputs: Array  # float32 (1 + texts, inputs): first those of any other text


Column = Measured | Named


def read_columns(preparation: Preparation, layout: Layout) -> tuple[Column, ...]:
    """Read what the preprocessing of a table does to each of its columns, from what it makes of some rows.

    Raises DatasetError when an earlier version kept it without what a value counts as that training never saw.
    """
    if preparation.means is None:
        raise DatasetError(
            "this model was kept by an earlier version of regsweep, which cannot tell what a value counts as that "
            "training never saw; train it again, or take the zip"
        )
    texts = {column.name: _texts(column) for column in layout.columns if column.kind == "category"}
    rows = 1 + max(map(len, texts.values()), default=0)
    raw: dict[str, list[str | None]] = {
        column.name: _pad([UNKNOWN, *texts[column.name]] if column.name in texts else [], rows)
        for column in layout.columns
    }
    # What is looked up may not be missing in a file; here it only has to be computed.
    x = replace(preparation, lookups=()).prepare(raw).x
    mean, deviation = pipeline.scaling(preparation.blocks, x.shape[1])
    columns: list[Column] = []
    for column, start in layout.offsets():
        if column.kind == "category":
            known = texts[column.name]
            columns.append(Named(column.name, known, x[: 1 + len(known), start : start + column.width]))
            continue
        inputs = slice(start, start + column.width - column.lacks)
        columns.append(
            Measured(
                column.name,
                column.kind,
                column.parts,
                tuple(_missing_numbers(column)),
                mean[inputs].astype(np.float32),
                deviation[inputs].astype(np.float32),
                x[0, inputs],
                column.lacks,
            )
        )
    return tuple(columns)


def _pad(texts: Sequence[str], rows: int) -> list[str | None]:
    return [*texts, *[None] * (rows - len(texts))]


def _texts(column: ColumnLayout) -> tuple[str, ...]:
    """The texts that are told apart: those that stand for a missing value, and the levels as people write them."""
    missing = column.reading.missing if column.reading is not None else None
    named = ["", *(MISSING if missing is None else missing), *(column.known or column.levels)]
    ways = dict.fromkeys(way for text in named for way in _ways(text))
    return tuple(text for text in ways if text.rstrip("\0") == text != UNKNOWN)  # NumPy drops NULs at the end


def _ways(text: str) -> Iterator[str]:
    """The ways in which a text is written most: by letter case, a number as `7` and `7.0`, with blanks around it."""
    name, number = text.strip(), levels.number_key(text)
    ways = [name, name.lower(), name.upper(), name.capitalize(), name.title()]
    ways += [number, number if "." in number else f"{number}.0"] if number else []
    yield text
    for before, behind in _BLANKS:
        yield from (f"{before}{way}{behind}" for way in ways)


def _missing_numbers(column: ColumnLayout) -> Iterator[float]:
    missing: Any = column.reading.missing if column.reading is not None and column.kind == "number" else None
    for text in missing or ():
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            yield number
