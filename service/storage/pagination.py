"""Pages of a listing, each from a cursor on: rows that are added meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, Self, TypeVar

import sqlalchemy as sa

from service.errors import BadRequestError, OtherListingError
from service.storage.records import TrialRecord, complete
from service.storage.states import TrialState
from studies.objectives import Direction

Row = TypeVar("Row")
_INTEGERS_END = 2**31  # of PostgreSQL's
NO_CURSOR = "not a cursor of this service; take `next` of the page before"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page of one listing: its group, its value in the sorted column, and its number."""

    listing: str  # as `listing_id` gave it
    group: int
    value: float | None
    after: int

    def encode(self) -> str:
        """Encode as an opaque text for a query parameter."""
        parts = [self.listing, self.group, self.value, self.after]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Decode the text of a cursor.

        Raises BadRequestError when it is not one of ours.
        """
        try:
            listing, group, value, after = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError, TypeError):
            raise BadRequestError("cursor", NO_CURSOR) from None
        valid_numbers = all(type(number) is int and 0 <= number < _INTEGERS_END for number in (group, after))
        valid_value = value is None or isinstance(value, float) or (type(value) is int and abs(value) < _INTEGERS_END)
        if not isinstance(listing, str) or not valid_numbers or not valid_value:
            raise BadRequestError("cursor", NO_CURSOR)
        return cls(listing, group, value, after)

    def check(self, listing: str) -> None:
        """Check that this listing gave the cursor.

        Raises OtherListingError when another one did.
        """
        if self.listing != listing:
            raise OtherListingError


def listing_id(*query: object) -> str:
    """The name of a listing in its cursors, made from all that decides which rows it has and in which order."""
    return sha256(repr([str(part) for part in query]).encode()).hexdigest()[:16]


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
    """The order of a listing of trials: groups, within them a column, descending behind a minus, then the number.

    `value` begins with the best. Its groups are the complete trials, those that ended with a partial value, and those
    without one; other columns have the rows with a value, then those without.
    """

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

    def towards(self, direction: Direction) -> Sort:
        """The order for an objective of this direction: of values that are maximised, the greatest is the best."""
        flip = self.column == "value" and direction == "maximize"
        return Sort(self.column, self.descending != flip)

    def groups(self, states: Collection[TrialState] = ()) -> dict[int, sa.ColumnElement[bool]]:
        """The condition of each group that trials of these states are in, by its number; all where none is given.

        Each is a query of its own, so that an index gives its order.
        """
        column = _COLUMNS[self.column]
        if self.column == "number":  # which every trial of a listing has
            return {0: sa.true()}
        if self.column != "value":
            return {0: column.is_not(None), 2: column.is_(None)}
        whole, others = complete(), complete(is_complete=False)
        groups = {0: sa.and_(whole, column.is_not(None)), 1: sa.and_(others, column.is_not(None)), 2: column.is_(None)}
        if states and TrialState.COMPLETE not in states:
            del groups[0]
        return groups

    def order(self) -> list[sa.ColumnElement[Any]]:
        """The ORDER BY expressions within a group."""
        column = _COLUMNS[self.column]
        ordered = column.desc() if self.descending else column.asc()
        return [ordered] if self.column == "number" else [ordered, TrialRecord.number.asc()]

    def beyond(self, cursor: Cursor) -> sa.ColumnElement[bool]:
        """The WHERE condition of the rows after the cursor's in its group."""
        column, later = _COLUMNS[self.column], TrialRecord.number > cursor.after
        if cursor.value is None:
            return later
        further, from_here = column > cursor.value, column >= cursor.value
        if self.descending:
            further, from_here = column < cursor.value, column <= cursor.value
        return sa.and_(from_here, sa.or_(further, later))  # the first alone lets an index begin there

    def cursor(self, trial: TrialRecord, listing: str) -> Cursor:
        """The cursor of the page after a trial."""
        value = getattr(trial, self.column)
        partial = self.column == "value" and trial.state != TrialState.COMPLETE
        return Cursor(listing, 2 if value is None else int(partial), value, trial.number or 0)
