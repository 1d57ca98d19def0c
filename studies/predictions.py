"""Predictions of new raw rows, and what in them training never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from studies.frozen_model import FrozenModel


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

    predicted: npt.NDArray[Any]  # class names, or numbers in the target's own unit
    probabilities: npt.NDArray[Any] | None  # a column a class
    class_names: tuple[str, ...]
    unfamiliar: tuple[Unfamiliar, ...] = ()  # what training never saw, column by column
    ids: tuple[str | None, ...] | None = None  # of a column that is carried through
