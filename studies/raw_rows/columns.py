"""What a fitted preprocessing does to each column, as numbers that Keras' layers hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

import numpy as np

from studies.array import Array
from studies.datasets import levels, looked_up, new_rows, pipeline
from studies.datasets.layout import ColumnLayout, DatePart, Layout
from studies.datasets.preparation import Preparation
from studies.datasets.reading import MISSING, ColumnKind
from studies.errors import DatasetError

UNKNOWN = "\x1a"  # ASCII's substitute: stands for every text that training never saw

_MAX_BLANKS = 32  # before or behind a text, as databases pad it; a model has no operation that strips it
_BLANKS = (
    *((" " * count, "") for count in range(_MAX_BLANKS + 1)),
    *(("", " " * count) for count in range(1, _MAX_BLANKS + 1)),
    *((" ", " "), ("\t", ""), ("", "\t"), ("", "\r"), ("", "\n"), ("", "\r\n")),
)
_UNKNOWN, _MISSING, _FIRST_LEVEL = 0, 1, 2  # what a text stands for
_IN_NO_TABLE = -1.0  # the input where what is looked up is missing
_LOWER = str.maketrans({letter: letter.lower() for letter in ascii_uppercase})


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
    """A column of texts, each of which stands for a level, for a missing value, or for what training never saw."""

    name: str
    texts: tuple[str, ...]  # found as they are written
    folded: tuple[str, ...]  # of those that are not found so, these in whatever case their ASCII letters are
    stands_for: Array  # float32 (1 + texts + folded): first what any other text does
    inputs: Array  # float32 (2 + levels, inputs): of what is unknown, of what is missing, of each level


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
    categories = {column.name: column for column in layout.columns if column.kind == "category"}
    rows = _FIRST_LEVEL + max((len(_levels(column)) for column in categories.values()), default=0)
    raw: dict[str, list[str | None]] = {
        column.name: _pad([_unknown(column), None, *_levels(column)] if column.name in categories else [], rows)
        for column in layout.columns
    }
    # What is looked up may not be missing in a file; here it only has to be computed.
    x = replace(preparation, lookups=()).prepare(raw).x
    mean, deviation = pipeline.scaling(preparation.blocks, x.shape[1])
    x[0, looked_up.exact_positions(preparation.lookups)] = _IN_NO_TABLE
    columns: list[Column] = []
    for column, start in layout.offsets():
        if column.kind == "category":
            inputs_of = x[: _FIRST_LEVEL + len(_levels(column)), start : start + column.width]
            columns.append(_read_texts(column, inputs_of))
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


def _levels(column: ColumnLayout) -> tuple[str, ...]:
    return column.known or column.levels


def _unknown(column: ColumnLayout) -> str:
    return UNKNOWN * (1 + max(map(len, _levels(column)), default=0))


def _pad(texts: Sequence[str | None], rows: int) -> list[str | None]:
    return [*texts, *[None] * (rows - len(texts))]


def _read_texts(column: ColumnLayout, inputs: Array) -> Named:
    missing = column.reading.missing if column.reading is not None else None
    # Those that differ by case alone are told apart by it, and a missing value is written in one.
    alike = {level for group in levels.similar(_levels(column)) for level in group}
    as_written = ["", *(MISSING if missing is None else missing), *_levels(column)]
    in_any_case = [level for level in _levels(column) if level not in alike]
    texts = _stand_for(column, [way for text in as_written for way in _pad_with_blanks(_numbers(text))])
    ways = _stand_for(column, [way for text in in_any_case for way in _pad_with_blanks(_cases(text))])
    folded: dict[str, int] = {}
    for way, meaning in ways.items():
        folded.setdefault(way.translate(_LOWER), meaning)
    stands_for = np.array([_UNKNOWN, *texts.values(), *folded.values()], np.float32)
    return Named(column.name, tuple(texts), tuple(folded), stands_for, inputs)


def _stand_for(column: ColumnLayout, ways: Sequence[str]) -> dict[str, int]:
    """What texts stand for, as the preprocessing finds it; without those that are unknown."""
    import pyarrow as pa

    distinct = [way for way in dict.fromkeys(ways) if way == way.rstrip("\0")]  # NumPy drops NULs at the end
    codes = new_rows.build(column, pa.chunked_array([pa.array(distinct, pa.string())]), "parquet")[0].values
    meanings = np.where(codes < 0, _MISSING, codes + _FIRST_LEVEL).tolist()
    unknown = _FIRST_LEVEL + len(_levels(column))
    return {way: meaning for way, meaning in zip(distinct, meanings, strict=True) if meaning != unknown}


def _numbers(text: str) -> list[str]:
    """A text, and the ways in which it is written most where it is a number: `7`, `7.0`, `+7`."""
    name, number = text.strip(), levels.number_key(text)
    if not number:
        return [text, name]
    decimals = [f"{number}{zeros}" for zeros in (["0", "00"] if "." in number else [".", ".0", ".00", ".000"])]
    return [text, name, *(f"{sign}{way}" for sign in ("", "+") for way in (number, *decimals))]


def _cases(text: str) -> list[str]:
    """A text in the letter cases that differ in more than ASCII's letters."""
    name = text.strip()
    return [*_numbers(text), name.lower(), name.upper(), name.title(), name.capitalize(), name.casefold()]


def _pad_with_blanks(texts: Sequence[str]) -> Iterator[str]:
    yield from texts
    for text in dict.fromkeys(texts):
        yield from (f"{before}{text}{behind}" for before, behind in _BLANKS)


def _missing_numbers(column: ColumnLayout) -> Iterator[float]:
    missing: Any = column.reading.missing if column.reading is not None and column.kind == "number" else None
    for text in missing or ():
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            yield number
