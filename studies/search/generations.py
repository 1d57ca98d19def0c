"""Ask the trials of a reproducible study: by its spec and its results alone, whichever worker asks.

A trial's number is its slot in the budget. The trials of a generation are asked in their order, each in view of all
results of the generations before and of the trials asked before it in its own. A worker that runs only some of them
asks the others as well, with the same result, and drops them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from studies.errors import NumberTakenError
from studies.search import pareto
from studies.search.mirror import Mirror
from studies.spec.study import StudySpec


class Generations:
    """Asks and tells trials by number; a studies.search.asker.Asker."""

    def __init__(
        self, spec: StudySpec, trials: Iterable[FrozenTrial], warm_start_trials: Sequence[FrozenTrial] = ()
    ) -> None:
        self._spec, self._warm_start_trials = spec, warm_start_trials
        self._ended: dict[int, FrozenTrial] = {}
        self._asking: Mirror | None = None
        self._first = 0  # trial of the generation that is being asked
        self.take_in(trials)

    def take_in(self, trials: Iterable[FrozenTrial]) -> None:
        """Bring in trials that other workers finished."""
        self._ended |= {trial.number: trial for trial in trials if trial.state.is_finished()}

    def ask_for(self, slot: int, params: Mapping[str, Any] | None) -> Trial:  # noqa: ARG002  # those that the study enqueues
        """Ask the trial of a slot; every generation before its own must have ended."""
        return self.resume(slot)

    def unask(self, trial: Trial) -> None:
        """Raise NumberTakenError: another ask for the slot would give the same number."""
        raise NumberTakenError(f"trial {trial.number} was opened by another worker")

    def resume(self, number: int) -> Trial:
        """The running trial of a number; every generation before its own must have ended."""
        first = number - number % self._spec.generation
        before = [self._ended[ended] for ended in range(first)]
        if self._asking is None or self._first != first:
            self._asking, self._first = Mirror(self._spec, before, self._warm_start_trials), first
        enqueued = self._spec.enqueued
        while (asked := len(self._asking.trials())) <= number:
            self._asking.ask(enqueued[asked] if asked < len(enqueued) else None)
        generation = self._asking.trials()[first:]
        # In a mirror of its own, so that a pruner sees nothing of trials that run at the same time.
        return Mirror(self._spec, [*before, *generation[: number - first + 1]], self._warm_start_trials).resume(number)

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        """Finish a trial."""
        told = trial.study.tell(trial, values, state=state)
        self._ended[told.number] = told
        return told

    def is_best(self, trial: FrozenTrial) -> bool:
        """Return whether a finished trial is the best so far, or on the Pareto front of several objectives."""
        return pareto.is_best(trial, self._ended.values(), self._spec.directions)

    def has_complete(self) -> bool:
        """Return whether any trial is complete."""
        return any(trial.state == TrialState.COMPLETE for trial in self._ended.values())
