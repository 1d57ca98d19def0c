"""A trial while it is trained, once or fold by fold, and what becomes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Set
from dataclasses import dataclass, field

from optuna.trial import Trial, TrialState

from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Outcome
from studies.training.checkpoint import Checkpoint
from studies.training.result import Trained, TrainingState, mean_result


@dataclass
class RunningTrial:
    """A trial that is being trained, once or fold by fold."""

    claim: Claim
    number: int
    trial: Trial | None  # none when it is planned
    opened_with: Set[str]  # keys of the system attributes it was recorded with
    trainings: int  # in all
    epochs: int  # the most of each
    outstanding: int  # not yet done
    given: dict[int, Trained] = field(default_factory=dict)  # by fold
    failed: Exception | None = None
    pruned: str | None = None  # the reason to end it
    unreported: list[tuple[int, float]] = field(default_factory=list)
    lost: bool = False  # another worker's now
    state_kept_at: float = field(default_factory=time.monotonic)
    states: dict[int, TrainingState] = field(default_factory=dict)  # as they were last kept, by fold

    @property
    def ending(self) -> bool:
        """Whether its trainings are to end where they are."""
        return self.pruned is not None or self.failed is not None or self.lost

    def checkpoint(self) -> Checkpoint:
        """What is kept of it for another attempt."""
        plan = self.claim.plan
        every = plan is not None and plan.deliver == "folds"
        states = {fold: state for fold, state in self.states.items() if fold not in self.given}
        return Checkpoint(self.given, states, every_model=every)

    def outcome(self, spec: StudySpec) -> Outcome:
        """How it ended, once all its trainings have."""
        if self.failed is not None:
            return Outcome(TrialState.FAIL, None, None, described(self.failed), unreported=self.unreported)
        trained = [self.given[fold].result for fold in sorted(self.given)]
        result = mean_result(trained, spec) if trained else None
        if self.pruned is not None or result is None:
            return Outcome(TrialState.PRUNED, None, result, self.pruned, unreported=self.unreported)
        values = result.values(spec)
        undefined = [name for name, value in zip(spec.objectives, values, strict=True) if not math.isfinite(value)]
        if undefined:
            reason = f"{', '.join(undefined)} has no finite value on this validation part"
            return Outcome(TrialState.FAIL, None, result, reason, unreported=self.unreported)
        return Outcome(TrialState.COMPLETE, values, result, None, unreported=self.unreported)


def described(error: Exception) -> str:
    """An error as it is recorded."""
    return f"{type(error).__name__}: {error}"
