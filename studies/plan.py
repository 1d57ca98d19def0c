"""Trials that are planned and not asked: what such a place of the budget runs was written in it beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Plan:
    """What one place runs."""

    technique: str
    among: Sequence[str]  # all techniques of the comparison
    params: Mapping[str, Any]  # effective hyperparameters
    folds: Sequence[int]  # of the study's data, a training each
    test: bool = False  # whether it is measured on the test part, and its model kept

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"folds": list(self.folds)}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From what `document` gave."""
        return cls(**document)
