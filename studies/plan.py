"""Trials that are planned and not asked: what such a place of the budget runs was written in it beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

#: How the model that people take away is trained: on all rows, or as the mean of models of the folds.
Delivered = Literal["refit", "folds"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one place runs."""

    technique: str  # or a cocktail
    among: Sequence[str]  # all that a comparison can have
    params: Mapping[str, Any]  # effective hyperparameters
    folds: Sequence[int]  # of the study's data, a training each
    test: bool = False  # whether it is measured on the test part, and its model kept
    racing: Sequence[str] = ()  # the candidates of its round; those of earlier ones that are absent have surely lost
    deliver: Delivered | None = None  # whether it trains the model that people take away
    epochs: int | None = None  # in place of the budget's
    prepared_by: int | None = None  # see `preparation`

    @property
    def preparation(self) -> int:
        """Of the study's data the one whose preprocessing the kept model needs: else that of the first training."""
        return self.folds[0] if self.prepared_by is None else self.prepared_by

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"folds": list(self.folds), "racing": list(self.racing)}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From what `document` gave."""
        return cls(**document)
