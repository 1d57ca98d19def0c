"""The one interface of Mirror and Generations, by which a sweep asks and tells trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from optuna.trial import FrozenTrial, Trial, TrialState


class Asker(Protocol):
    """Asks and tells a study's trials in memory."""

    def take_in(self, trials: Iterable[FrozenTrial]) -> None:
        """Bring in trials that other workers opened or finished."""

    def ask_for(self, slot: int, params: Mapping[str, Any] | None) -> Trial:
        """Ask a running trial for a slot of the budget; the sampler suggests the params that are not given."""

    def unask(self, trial: Trial) -> None:
        """Take the last ask back, as another worker's trial has its number.

        Raises NumberTakenError when another ask would give the same number.
        """

    def resume(self, number: int) -> Trial:
        """Take over the running trial of a number from another attempt, without its intermediate values."""

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        """Finish a trial."""

    def is_best(self, trial: FrozenTrial) -> bool:
        """Return whether a finished trial is the best so far, or on the Pareto front of several objectives."""

    def has_complete(self) -> bool:
        """Return whether any of the study's own trials is complete."""
