"""Writes the report's HTML tables and how it shows numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, NamedTuple

from studies.analysis.results import Interval

_NEARLY = 0.005  # probability below which its percentage would be 0


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


def number(value: Any, digits: int = 4) -> str:
    """A value to so many digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def interval(found: Interval | None) -> Cell:
    """A mean with its interval."""
    if found is None:
        return Cell("–")
    return Cell(number(found.mean), f"{number(found.low, 3)} to {number(found.high, 3)}")


def percentage(probability: float) -> str:
    """A probability; what is only nearly sure is not shown as sure."""
    if probability < _NEARLY:
        return "<\u00a01%"
    return ">\u00a099%" if probability > 1 - _NEARLY else f"{probability:.0%}"


def parameters(params: Mapping[str, Any], *, kinds: bool = True) -> str:
    """The parameters of regularization that have an effect, in a line; without `kinds` not which regularizer."""
    skipped = ("learning_rate", "batch_size", *(() if kinds else ("regularizer",)))
    shown = {name: value for name, value in params.items() if name not in skipped and value not in (None, 0, "none")}
    return ", ".join(f"{name.replace('lambda', 'λ')} {number(value, 3)}" for name, value in shown.items())


def instant(seconds: float | None) -> str:
    """A date and time in UTC."""
    return "–" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
