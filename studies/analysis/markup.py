"""Writes the report's HTML: tables, notes, sections that fold, dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from studies.analysis.labels import bounds_text, number
from studies.analysis.results import Interval


class Cell(NamedTuple):
    """A cell of a table: its text, and a detail in small."""

    text: str
    detail: str = ""


def table(head: Sequence[str], rows: Iterable[tuple[Sequence[Cell | str], str]]) -> str:
    """Write a table of rows with a CSS class each; cells name their column, for narrow windows show rows as cards."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(_row(head, cells, kind) for cells, kind in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _row(head: Sequence[str], cells: Sequence[Cell | str], kind: str) -> str:
    full = [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]
    html = "".join(
        f"<td data-label='{escape(name)}'><span>{escape(cell.text)}</span>"
        f"{f' <small>{escape(cell.detail)}</small>' if cell.detail else ''}</td>"
        for name, cell in zip(head, full, strict=True)
    )
    return f"<tr class='{kind}'>{html}</tr>"


def fold(title: str, content: str) -> str:
    """Write a section that is closed at first."""
    return f"<section><details><summary>{escape(title)}</summary>{content}</details></section>"


def note(text: str) -> str:
    """Write an explaining paragraph."""
    return f"<p class='note'>{escape(text)}</p>"


def interval_cell(interval: Interval | None) -> Cell:
    """Write a mean with its interval in small; a dash for None."""
    if interval is None:
        return Cell("–")
    return Cell(number(interval.mean), bounds_text(interval))


def timestamp(seconds: float | None) -> str:
    """Write a date and time in UTC; a dash for None."""
    return "–" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
