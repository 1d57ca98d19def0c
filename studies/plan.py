"""The plan of a trial that is not asked of the sampler; it is written in its slot beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

#: How the delivered model is trained: on all rows, or as the mean of models of the folds.
Delivered = Literal["refit", "folds"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The trial that one slot runs."""

    technique: str  # or a cocktail; empty for a repeat
    among: Sequence[str]  # all candidates that a comparison can have
    params: Mapping[str, Any]  # effective hyperparameters
    folds: Sequence[int]  # of the study's data, a training each
    test: bool = False  # whether it is measured on the test part and its model is kept
    racing: Sequence[str] = ()  # candidates of its round; one of an earlier round that is absent has surely lost
    deliver: Delivered | None = None  # how it trains the delivered model, if it does
    epochs: int | None = None  # in place of the budget's
    prepared_by: int | None = None  # see `preparation`
    repeat_of: int | None = None  # the trial whose params it trains again with other seeds

    @property
    def is_repeat(self) -> bool:
        """True when it trains a trial's params again, which neither the sampler nor Optuna's tables know of."""
        return self.repeat_of is not None

    @classmethod
    def repeat(cls, number: int, params: Mapping[str, Any], fits: int) -> Self:
        """Plan a trial's params once more, on all its folds."""
        return cls("", (), params, range(fits), repeat_of=number)

    @property
    def preparation(self) -> int:
        """The index of the data whose preprocessing the kept model needs; by default the first training's."""
        return self.folds[0] if self.prepared_by is None else self.prepared_by

    def document(self) -> dict[str, Any]:
        """The plan as JSON."""
        return asdict(self) | {"folds": list(self.folds), "racing": list(self.racing)}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read what `document` gave."""
        return cls(**document)
