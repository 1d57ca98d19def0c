"""The parent of all records, and what their columns are made with."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, cast

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from studies.spec.name import normalize


def one_of(states: type[StrEnum], length: int) -> sa.Enum:
    """A text column that holds one of these states."""
    return sa.Enum(states, native_enum=False, length=length, values_callable=lambda members: [*map(str, members)])


class Record(DeclarativeBase):
    """Parent of all records."""

    type_annotation_map: ClassVar = {dict[str, Any]: sa.JSON(none_as_null=True), list[Any]: sa.JSON(none_as_null=True)}


def table_of(record: type[Record]) -> sa.Table:
    """The table of a record, for statements that every trial needs: they do without the ORM, and so cost less."""
    return cast("sa.Table", record.__table__)


def has_name(column: sa.orm.InstrumentedAttribute[str], name: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column of names holds this one, in whichever form of Unicode it is typed."""
    # Neither database can be asked for NUL, nor for half a character.
    return column == normalize(name) if name.isprintable() else sa.false()
