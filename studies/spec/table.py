"""The format of a user's file, the roles of its columns, and how they are to be read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, StrictBool, model_validator

from studies.frozen_model import AtMost, FrozenModel
from studies.objectives import Task

TableFormat = Literal["csv", "tsv", "parquet", "npz", "xlsx", "jsonl", "feather"]

#: The formats as a sentence names them.
FORMAT_WORDS = "{} or {}".format(", ".join(get_args(TableFormat)[:-1]), get_args(TableFormat)[-1])

_FORMATS: Mapping[str, TableFormat] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".xlsx": "xlsx", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".feather": "feather", ".arrow": "feather", ".npz": "npz",
}  # fmt: skip
#: The formats in the words of people who have files of them.
FORMATS_FOR_PEOPLE = "CSV, TSV, Excel, JSON lines, Parquet, Feather or .npz"
#: The endings of files that are read.
ENDINGS = tuple(_FORMATS)


def format_of_name(name: str) -> TableFormat | None:
    """The format of a file by its name, which may end in `.gz`; None when its ending is not known."""
    ending = PurePath(name.lower().removesuffix(".gz")).suffix
    return _FORMATS.get(ending)


#: Columns that the options of a file name, at most, of those that are ignored and of those read in a way of their own.
MAX_NAMED = 10_000
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


class ColumnOptions(FrozenModel):
    """How a column is to be read; what is left out is seen from its values."""

    kind: Literal["number", "category", "date", "text", "ignore"] | None = Field(
        None, description="What its values are. Free text gives no input; an ignored column is not read."
    )
    format: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        None, description="Of a date, as Python's strptime takes it: '%d.%m.%Y', '%m/%d/%Y %H:%M'."
    )
    missing: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], AtMost(100)] | None = Field(
        None, description="The texts that stand for a missing value, and no others; an empty text always does."
    )
    decimal: Literal[".", ","] | None = Field(None, description="The decimal point of a number.")
    thousands: Literal["", ",", ".", " ", "'"] | None = Field(
        None, description="The mark between groups of three digits, '' for none; with '.' the decimal point is ','."
    )
    merge_spellings: StrictBool = Field(
        False, description="Levels that differ only by letter case or by blanks around them are one level."
    )

    @model_validator(mode="before")
    @classmethod
    def _implied_kind(cls, options: Any) -> Any:
        """A format is of a date, and a mark of a number, whether the kind says so or not."""
        if isinstance(options, str):
            return {"kind": options}  # `plz: category` says it all
        if not isinstance(options, Mapping) or options.get("kind") is not None:
            return options
        if options.get("format") is not None:
            return {**options, "kind": "date"}
        is_number = options.get("decimal") is not None or options.get("thousands") is not None
        return {**options, "kind": "number"} if is_number else options

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.format is not None:
            _check_date_format(self.format, self.kind)
        if self.kind not in {None, "number"} and (self.decimal, self.thousands) != (None, None):
            raise ValueError(f"decimal, thousands: are of a number, and the kind is {self.kind}")
        if self.thousands and self.thousands == self.decimal:
            raise ValueError(f"thousands: '{self.thousands}' is the decimal point already")
        if self.merge_spellings and self.kind not in {None, "category"}:
            raise ValueError(f"merge_spellings: is of a category, and the kind is {self.kind}")
        return self


def _check_date_format(date_format: str, kind: str | None) -> None:
    if kind not in {None, "date"}:
        raise ValueError(f"format: is of a date, and the kind is {kind}")
    unknown = sorted(set(re.findall(r"%(.)", date_format.replace(".%f", ""))) - set("dmYyHIMSbBp%"))
    if unknown:
        raise ValueError(f"format: %{unknown[0]} is not read; use %d %m %b %B %Y %y %H %I %M %S %p and .%f")
    moments = [datetime(1999, 1, 2, tzinfo=UTC), datetime(2011, 12, 25, tzinfo=UTC)]
    if len({moment.strftime(date_format) for moment in moments}) == 1:
        raise ValueError(f"format: '{date_format}' tells no dates apart; it is like '%d.%m.%Y'")


class TableOptions(FrozenModel):
    """The roles of a file's columns; of an .npz file its arrays'."""

    target: ColumnName = Field(description="The column that is to be predicted.")
    task: Task | None = Field(None, description="What is asked of the target; seen from its values when left out.")
    ignore: Annotated[tuple[ColumnName, ...], AtMost(MAX_NAMED)] = Field(
        (), description="Columns that are not read, such as identifiers."
    )
    weight: ColumnName | None = Field(None, description="How much each row counts in training, above or equal to 0.")
    group: ColumnName | None = Field(None, description="Rows of the same group stand on one side of every split.")
    time: ColumnName | None = Field(None, description="When a row came about: training rows come before those judged.")
    encoding: Encoding | None = Field(None, description="Of a text file, as cp1252; seen from the file when left out.")
    sheet: SheetName | None = Field(None, description="Of a workbook; the first that is shown when left out.")
    columns: Annotated[Mapping[ColumnName, ColumnOptions], AtMost(MAX_NAMED)] = Field(
        default_factory=dict, description="How columns are to be read, by name; all others are seen from their values."
    )
    drop_missing_target: StrictBool = Field(False, description="Rows without a target are left out.")
    drop_rare_classes: StrictBool = Field(
        False, description="Rows whose class has fewer than 5 rows are left out, for each part of a split needs one."
    )

    def __hash__(self) -> int:
        """Hash by content: a worker's cache keeps datasets by how they are read."""
        return hash(self.model_dump_json())

    @property
    def left_out(self) -> frozenset[str]:
        """The columns that are not read."""
        return frozenset(self.ignore) | {name for name, column in self.columns.items() if column.kind == "ignore"}

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
            if column in self.left_out:
                raise ValueError(f"ignore: '{column}' is the {role}, which cannot be ignored")
            roles[column] = role
        return self
