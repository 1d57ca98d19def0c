"""How the values of a column are read: fixed at training, so that new rows are read alike."""

from __future__ import annotations

from typing import Literal

from studies.frozen_model import FrozenModel

ColumnKind = Literal["number", "boolean", "category", "date"]

#: Texts that stand for a missing value in every column.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>", "#N/A", "?")
#: Texts that do so, in any letter case, where all others are numbers or dates; a category may be called so.
MARKS = frozenset({
    "-", "--", "---", ".", "..", "...", "*", "**", "?", "na", "n/a", "n.a.", "k.a.", "nd", "nan", "nil", "none", "null",
    "missing", "unknown", "unk", "0000-00-00", "0000-00-00 00:00:00", "<na>", "(null)", "(none)", "(missing)",
    "#n/a", "#null!", "#value!", "#ref!", "#div/0!", "#num!", "#name?",
})  # fmt: skip
#: The kinds as earlier versions named them.
OLD_KINDS = {"numeric": "number", "categorical": "category"}


def rename_old_kind(kind: str) -> str:
    """Return today's name of a kind; what earlier versions kept has the old ones."""
    return OLD_KINDS.get(kind, kind)


class Reading(FrozenModel):
    """How a column's texts become values; what Arrow has typed already needs no more than the kind."""

    kind: ColumnKind
    missing: tuple[str, ...] | None = None  # the texts that stand for a missing value; None: MISSING
    decimal: str = "."
    thousands: str = ""  # the mark between groups of three digits
    affix: tuple[str, str] = ("", "")  # what stands before and behind each number, a currency or a unit
    strays: tuple[str, ...] = ()  # texts that were no values in training, and count as missing
    format: str = ""  # of a date, as strptime takes it; empty: ISO 8601


class Evidence(FrozenModel):
    """Why a column is read as it is, with rows and values that show it."""

    why: str
    count: int = 0  # rows that it is about; 0: all
    rows: tuple[int, ...] = ()  # the first of them, as the file counts them
    values: tuple[str, ...] = ()  # what stands there
    warns: bool = False  # a person should look at it
