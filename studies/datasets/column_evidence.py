"""Say why a column is read as it is, with the rows and values that show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studies.array import Array
from studies.datasets.inference import Inference
from studies.datasets.reading import Evidence
from studies.datasets.table import describe_row, row_number
from studies.spec.table import TableFormat

_SHOWN = 5  # rows and values that are named


def of_reading(found: Inference, texts: Sequence[str]) -> list[Evidence]:
    """Say how texts are read, and what is not sure of it."""
    shown = tuple(texts[:_SHOWN]) if found.odd or found.unsure else ()
    evidence = [Evidence(why=found.why, values=shown, warns=found.odd)]
    return evidence + ([Evidence(why=found.unsure, warns=True)] if found.unsure else [])


def of_missing(found: Inference, texts: Sequence[str], codes: Array, file_format: TableFormat) -> list[Evidence]:
    """Say which texts count as missing; `codes` number each row's text."""
    evidence = []
    if found.marks:
        rows = np.flatnonzero(np.isin(codes, found.marks))
        values = tuple(texts[mark] for mark in found.marks[:_SHOWN])
        quoted = ", ".join(f"'{value}'" for value in values)
        where = describe_row(file_format, int(rows[0]))
        many = f"in {where}" if len(rows) == 1 else f"in {len(rows)} rows, the first {where},"
        why = f"{quoted} {many} counts as missing among {found.reading.kind}s"
        evidence.append(_warning(why, rows.tolist(), values, file_format))
    rows = np.flatnonzero(np.isin(codes, found.strays))
    return evidence + of_strays(found, [(int(row), texts[codes[row]]) for row in rows], file_format)


def of_strays(
    found: Inference, strays: Sequence[tuple[int, str]], file_format: TableFormat, count: int | None = None
) -> list[Evidence]:
    """Say which rows hold texts that are no values where all others are; `count` where these are the first alone."""
    count = len(strays) if count is None else count
    if not strays:
        return []
    first, text = strays[0]
    others = f", as {count - 1} others do," if count > 1 else ""
    where, kind = describe_row(file_format, first), found.reading.kind
    why = f"{where} holds '{text[:40]}'{others} where all else is a {kind}, and counts as missing"
    warning = _warning(why, [row for row, _ in strays], [text for _, text in strays], file_format)
    return [warning.model_copy(update={"count": count})]


def of_category(found: Inference | None, *, asked: bool, why: str) -> tuple[Evidence, ...]:
    """Say why a column is a category: it was asked for, by its name, or by its texts."""
    if asked:
        return (Evidence(why="as asked"),)
    if why:
        return (Evidence(why=why, warns=True),)
    return (Evidence(why="texts" if found is None else found.why, warns=found is not None and found.odd),)


def of_padded(merged: Sequence[Sequence[str]]) -> list[Evidence]:
    """Say which labels are the same whole number."""
    groups = [" and ".join(f"'{text}'" for text in group) for group in merged[:_SHOWN]]
    return [Evidence(why=f"{group} are the same whole number, and one class", warns=True) for group in groups]


def _warning(why: str, rows: Sequence[int], values: Sequence[str], file_format: TableFormat) -> Evidence:
    shown = tuple(row_number(file_format, row) for row in rows[:_SHOWN])
    return Evidence(why=why, count=len(rows), rows=shown, values=tuple(values[:_SHOWN]), warns=True)
