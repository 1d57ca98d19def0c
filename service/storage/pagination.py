"""Pages of a listing, each from a cursor on: rows that are added meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import sqlalchemy as sa

from service.errors import BadRequestError
from service.storage.records import TrialRecord

Row = TypeVar("Row")
_INTEGERS_END = 2**31  # of PostgreSQL's


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: its value in the sorted column and its number."""

    value: float | None
    after: int

    def encode(self) -> str:
        """Encode as an opaque text for a query parameter."""
        return base64.urlsafe_b64encode(json.dumps([self.value, self.after]).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Decode the text of a cursor.

        Raises BadRequestError when it is not one of ours.
        """
        try:
            value, after = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError, TypeError):
            raise BadRequestError("cursor", "not a cursor of this service; take `next` of the page before") from None
        valid_number = isinstance(after, int) and not isinstance(after, bool) and 0 <= after < _INTEGERS_END
        valid_value = value is None or isinstance(value, float) or (type(value) is int and abs(value) < _INTEGERS_END)
        if not valid_number or not valid_value:
            raise BadRequestError("cursor", "not a cursor of this service; take `next` of the page before")
        return cls(value, after)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a listing, and the cursor of the rest if there is one."""

    items: list[Row]
    next: str | None

    @classmethod
    def cut(cls, rows: Sequence[Row], limit: int, cursor: Callable[[Row], Cursor]) -> Page[Row]:
        """Cut a page from up to `limit` + 1 rows; the last shows that there are more."""
        items = list(rows[:limit])
        return cls(items, cursor(items[-1]).encode() if len(rows) > limit else None)


_COLUMNS: dict[str, sa.orm.InstrumentedAttribute[Any]] = {
    "number": TrialRecord.number,
    "value": TrialRecord.value,
    "epochs": TrialRecord.epochs,
    "started_at": TrialRecord.started_at,
    "ended_at": TrialRecord.ended_at,
}
SORTS = tuple(_COLUMNS) + tuple(f"-{name}" for name in _COLUMNS)


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a listing of trials: a column, descending behind a minus, then by number."""

    column: str
    descending: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `value` or `-value`.

        Raises BadRequestError when there is no such column.
        """
        if text not in SORTS:
            raise BadRequestError("sort", f"cannot sort by '{text}'; choose from {', '.join(SORTS)}")
        return cls(text.removeprefix("-"), text.startswith("-"))

    def order(self) -> list[sa.ColumnElement[Any]]:
        """The ORDER BY expressions; rows without a value come last both ways."""
        column = _COLUMNS[self.column]
        return [column.is_(None), column.desc() if self.descending else column.asc(), TrialRecord.number.asc()]

    def beyond(self, cursor: Cursor) -> sa.ColumnElement[bool]:
        """The WHERE condition of the rows after the cursor's."""
        column = _COLUMNS[self.column]
        later_tie = TrialRecord.number > cursor.after
        if cursor.value is None:
            return sa.and_(column.is_(None), later_tie)
        further = column < cursor.value if self.descending else column > cursor.value
        return sa.or_(further, sa.and_(column == cursor.value, later_tie), column.is_(None))

    def cursor(self, trial: TrialRecord) -> Cursor:
        """The cursor of the page after a trial."""
        return Cursor(getattr(trial, self.column), trial.number or 0)
