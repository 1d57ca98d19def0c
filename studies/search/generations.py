"""The trials of a reproducible study: what is asked depends on the spec and on nothing else.

A trial's number is its place in the budget. The trials of a generation are asked in their order, each in view of all
results of the generations before and of what was asked before it in its own; a worker that runs only some of them asks
the others as well, to the same end, and forgets them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optuna.trial import FrozenTrial, Trial, TrialState

from studies.search import pareto
from studies.search.mirror import Mirror
from studies.spec.study import StudySpec


class Generations:
    """Asks and tells trials by number."""

    def __init__(self, spec: StudySpec, trials: Iterable[FrozenTrial], earlier: Sequence[FrozenTrial] = ()) -> None:
        self._spec, self._earlier = spec, earlier
        self._ended: dict[int, FrozenTrial] = {}
        self._asking: Mirror | None = None
        self._first = 0  # trial of the generation that is being asked
        self.take_in(trials)

    def take_in(self, trials: Iterable[FrozenTrial]) -> None:
        """Bring in what other workers finished."""
        self._ended |= {trial.number: trial for trial in trials if trial.state.is_finished()}

    def ask(self, number: int) -> Trial:
        """The running trial of a number; every generation before its own must have ended."""
        first = number - number % self._spec.generation
        before = [self._ended[earlier] for earlier in range(first)]
        if self._asking is None or self._first != first:
            self._asking, self._first = Mirror(self._spec, before, self._earlier), first
        while len(self._asking.own()) <= number:
            self._asking.ask()
        asked = self._asking.own()[first:]
        # A study of its own, so that a pruner sees nothing of trials that run at the same time.
        return Mirror(self._spec, [*before, *asked[: number - first + 1]], self._earlier).resume(number)

    def tell(self, trial: Trial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
        """Finish a trial."""
        told = trial.study.tell(trial, values, state=state)
        self._ended[told.number] = told
        return told

    def is_best(self, trial: FrozenTrial) -> bool:
        """Whether a finished trial is the best so far, or on the Pareto front of several objectives."""
        return pareto.is_best(trial, self._ended.values(), self._spec.directions)
