"""The format of a user's file, and the roles of its columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from studies.frozen_model import FrozenModel
from studies.objectives import Task

TableFormat = Literal["csv", "tsv", "parquet", "npz"]

ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]


class TableOptions(FrozenModel):
    """The roles of a file's columns; of an .npz file its arrays'."""

    target: ColumnName = Field(description="The column that is to be predicted.")
    task: Task | None = Field(None, description="What is asked of the target; seen from its values when left out.")
    ignore: tuple[ColumnName, ...] = Field((), description="Columns that are not read, such as identifiers.")
    weight: ColumnName | None = Field(None, description="How much each row counts in training, above or equal to 0.")
    group: ColumnName | None = Field(None, description="Rows of the same group stand on one side of every split.")
    time: ColumnName | None = Field(None, description="When a row came about: training rows come before those judged.")

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
