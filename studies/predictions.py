"""Predictions of new raw rows, and what in them training never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from studies.frozen_model import FrozenModel

#: What a file whose columns have types, or an array, held as classes; "text" of every other file.
ClassType = Literal["text", "integer", "number", "boolean"]
_READ: Mapping[ClassType, Callable[[str], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "boolean": "True".__eq__,
}


class Unfamiliar(FrozenModel):
    """Values of a column that training never saw, which a prediction therefore rests on less."""

    column: str
    what: str  # "missing" where training had a value in every row, or "unknown" levels
    count: int  # rows
    rows: tuple[int, ...]  # the first of them, as the file counts them
    values: tuple[str, ...] = ()  # unknown levels, the first

    @property
    def text(self) -> str:
        """A sentence."""
        rows = "1 row" if self.count == 1 else f"{self.count} rows"
        first = f"row {self.rows[0]}" if self.count == 1 else f"the first is row {self.rows[0]}"
        if self.what == "missing":
            return f"column '{self.column}' has no value in {rows} ({first}), and had one in every row of training"
        quoted = ", ".join(f"'{value}'" for value in self.values)
        return f"column '{self.column}' has a value in {rows} ({first}) that training never saw: {quoted}"


@dataclass(frozen=True)
class Predictions:
    """A row for each raw row."""

    predicted: npt.NDArray[Any]  # classes, or numbers in the target's own unit
    probabilities: npt.NDArray[Any] | None  # a column a class
    class_names: tuple[str, ...]
    unfamiliar: tuple[Unfamiliar, ...] = ()  # what training never saw, column by column
    ids: tuple[str | None, ...] | None = None  # of a column that is carried through
    class_type: ClassType = "text"  # what the classes were where the study's data came from

    def with_own_classes(self) -> Self:
        """The same with classes as the study's data had them, whole numbers or booleans and not their names."""
        if not self.class_names or self.class_type == "text":
            return self
        own = {name: _READ[self.class_type](name) for name in self.class_names}
        return replace(self, predicted=np.array([own[str(name)] for name in self.predicted]))
