"""Writes the tables that a notebook shows: plain, everything escaped, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, isfinite, log10


def table(head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Write a table with a head."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>{paragraph(note)}"


def column(values: Sequence[float], digits: int) -> list[str]:
    """Write numbers with as many decimals each, so that the largest finite one has `digits` significant digits."""
    largest = max((abs(value) for value in values if isfinite(value)), default=0.0)
    decimals = max(0, digits - 1 - floor(log10(largest))) if largest else 0
    return [f"{value:z.{decimals}f}" for value in values]


def facts(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Write a table of names and values under a title, without those that are empty."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in pairs if value)
    return f"<table><caption><b>{escape(title)}</b></caption><tbody>{rows}</tbody></table>"


def paragraph(text: str) -> str:
    """Write a paragraph, or nothing where there is no text."""
    return f"<p>{escape(text)}</p>" if text else ""
