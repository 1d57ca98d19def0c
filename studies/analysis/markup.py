"""Writes the report's HTML tables and how it shows numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from studies.analysis.labels import number
from studies.analysis.results import Interval


class Cell(NamedTuple):
    """A cell of a table: what counts, and smaller what goes with it."""

    text: str
    detail: str = ""


def table(head: Sequence[str], rows: Iterable[tuple[Sequence[Cell | str], str]]) -> str:
    """A table of rows with a class each; every cell knows its column's name, for narrow windows show rows as cards."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(_row(head, cells, kind) for cells, kind in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _row(head: Sequence[str], cells: Sequence[Cell | str], kind: str) -> str:
    of = [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]
    written = "".join(
        f"<td data-label='{escape(name)}'><span>{escape(cell.text)}</span>"
        f"{f' <small>{escape(cell.detail)}</small>' if cell.detail else ''}</td>"
        for name, cell in zip(head, of, strict=True)
    )
    return f"<tr class='{kind}'>{written}</tr>"


def folded(title: str, content: str) -> str:
    """A section that opens when asked."""
    return f"<section><details><summary>{escape(title)}</summary>{content}</details></section>"


def note(text: str) -> str:
    """A paragraph that explains."""
    return f"<p class='note'>{escape(text)}</p>"


def interval(found: Interval | None) -> Cell:
    """A mean with its interval."""
    if found is None:
        return Cell("–")
    return Cell(number(found.mean), f"{number(found.low, 3)} to {number(found.high, 3)}")


def instant(seconds: float | None) -> str:
    """A date and time in UTC."""
    return "–" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
