"""The format of a user's file, and the roles of its columns."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from studies.frozen_model import FrozenModel
from studies.objectives import Task

TableFormat = Literal["csv", "tsv", "parquet", "npz", "xlsx", "jsonl", "feather"]

#: The formats as a sentence names them.
FORMAT_WORDS = "{} or {}".format(", ".join(get_args(TableFormat)[:-1]), get_args(TableFormat)[-1])

ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]


_NO_CHARSETS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape"}  # which Python has beside them


def known_encoding(name: str) -> str:
    """Return Python's name of a text's encoding.

    Raises ValueError when there is none of that name.
    """
    try:
        "a".encode(name)  # which codecs that are not of text refuse
    except (LookupError, ValueError) as error:
        raise ValueError(f"'{name}' is not known; name one as utf-8, utf-16, cp1252 or gb18030") from error
    known = codecs.lookup(name).name
    if known in _NO_CHARSETS:
        raise ValueError(f"'{name}' is the encoding of no file; name one as utf-8, utf-16, cp1252 or gb18030")
    return "utf-8" if known in {"ascii", "utf-8-sig"} else known


SheetName = Annotated[str, Field(min_length=1, max_length=100)]
Encoding = Annotated[str, Field(max_length=40, pattern=r"^[\w.-]+$"), AfterValidator(known_encoding)]


class TableOptions(FrozenModel):
    """The roles of a file's columns; of an .npz file its arrays'."""

    target: ColumnName = Field(description="The column that is to be predicted.")
    task: Task | None = Field(None, description="What is asked of the target; seen from its values when left out.")
    ignore: tuple[ColumnName, ...] = Field((), description="Columns that are not read, such as identifiers.")
    weight: ColumnName | None = Field(None, description="How much each row counts in training, above or equal to 0.")
    group: ColumnName | None = Field(None, description="Rows of the same group stand on one side of every split.")
    time: ColumnName | None = Field(None, description="When a row came about: training rows come before those judged.")
    encoding: Encoding | None = Field(None, description="Of a text file, as cp1252; seen from the file when left out.")
    sheet: SheetName | None = Field(None, description="Of a workbook; the first that is shown when left out.")

    @property
    def roles(self) -> Iterator[tuple[str, str]]:
        """The options that name one column, each with its column."""
        named = (("target", self.target), ("weight", self.weight), ("group", self.group), ("time", self.time))
        return ((role, column) for role, column in named if column is not None)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        roles: dict[str, str] = {}
        for role, column in self.roles:
            if column in roles:
                raise ValueError(f"{role}: '{column}' is the {roles[column]} already; name another column")
            if column in self.ignore:
                raise ValueError(f"ignore: '{column}' is the {role}, which cannot be ignored")
            roles[column] = role
        return self
