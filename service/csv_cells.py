"""Keeps texts of a CSV from being run: spreadsheets take a cell that begins with `=`, `+`, `-`, `@` for a formula."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def escape_formulas(cells: Iterable[Any]) -> list[Any]:
    """Put an apostrophe before texts that a spreadsheet would run; numbers stay as they are, also those below 0."""
    return [f"'{cell}" if isinstance(cell, str) and _is_formula(cell) else cell for cell in cells]


def _is_formula(cell: str) -> bool:
    if not cell.startswith(_FORMULA):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False
