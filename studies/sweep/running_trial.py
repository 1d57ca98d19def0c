"""A trial while it is trained, once or fold by fold, and its outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from optuna.trial import Trial, TrialState

from studies.hyperparameters import Hyperparameters
from studies.reasons import describe
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Outcome
from studies.sweep.running_curve import RunningCurve
from studies.training.checkpoint import Checkpoint
from studies.training.result import Trained, TrainingState, mean_result


@dataclass
class RunningTrial:
    """A trial that is being trained, once or fold by fold."""

    claim: Claim
    number: int
    trial: Trial | None  # None when it is planned
    opened_with: Set[str]  # keys of the system attributes it was recorded with
    hyperparameters: Hyperparameters
    folds: Sequence[int]  # a training each
    epochs: int  # of each training, at most
    kept_fold: int  # whose model, curve and weights stand for the trial
    outstanding: int = field(init=False)  # trainings that have not ended
    trained: dict[int, Trained] = field(default_factory=dict)  # by fold
    error: Exception | None = None
    prune_reason: str | None = None
    was_cut: bool = False  # by the study's end, and yet has a value
    lacks_folds: bool = False  # for the study ended before it was trained on them
    unreported: list[tuple[int, float]] = field(default_factory=list)  # steps and intermediate values
    lost: bool = False  # another worker has it now
    begun_at: float = 0.0  # by the sweep's clock
    state_kept_at: float = 0.0
    states: dict[int, TrainingState] = field(default_factory=dict)  # as last kept, by fold
    curve: RunningCurve = field(default_factory=RunningCurve)  # of the kept fold

    def __post_init__(self) -> None:
        self.outstanding = len(self.folds)

    @property
    def ending(self) -> bool:
        """True when its trainings are to end where they are."""
        return self.prune_reason is not None or self.error is not None or self.lost

    @property
    def kept_for_delivery(self) -> bool:
        """True when its plan measures it on the test part or delivers its model."""
        plan = self.claim.plan
        return plan is not None and (plan.test or plan.deliver is not None)

    def prune(self) -> None:
        """End it without a value, for the study has ended."""
        self.prune_reason = self.prune_reason or "the study ended while the trial ran"

    def cut(self, spec: StudySpec) -> None:
        """End one of its trainings where it is, for the study has ended; the epochs so far give a value.

        Not where epochs are an objective, of which a cut trial would have the fewest; and a comparison's trials are
        paired, so that one which was trained less would be judged unfairly.
        """
        if self._may_be_cut(spec):
            self.was_cut = True
        else:
            self.prune()

    def drop_folds(self, spec: StudySpec) -> None:
        """Leave it without the folds that it was not trained on, for the study has ended."""
        if self._may_be_cut(spec):
            self.lacks_folds = True
        else:
            self.prune()

    def _may_be_cut(self, spec: StudySpec) -> bool:
        return self.claim.plan is None and "epochs" not in spec.objectives

    def finished(self, trained: Trained) -> bool:
        """Return whether a training ended by early stopping or after its last epoch, and was not cut short."""
        return trained.result.stopped_early or trained.result.epochs >= self.epochs

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from the checkpoint of an earlier attempt."""
        # A checkpoint of an earlier version lacks the kept fold's model where that is not the first.
        lacking = {self.kept_fold} - {*checkpoint.models}
        self.states = dict(checkpoint.running)
        self.trained = {fold: trained for fold, trained in checkpoint.ended.items() if fold not in lacking}
        self.outstanding -= len(self.trained)

    def restore_curve(self, metric: str) -> None:
        """Begin its curve with what the earlier attempt trained."""
        if self.kept_fold in self.trained:
            self.curve.extend(self.trained[self.kept_fold].result.curve[metric])
        elif self.kept_fold in self.states:
            self.curve.extend(entry[metric] for entry in self.states[self.kept_fold].facts["entries"])

    def checkpoint(self) -> Checkpoint:
        """The state that another attempt can go on from."""
        plan = self.claim.plan
        models = self.folds if plan is not None and plan.deliver == "folds" else [self.kept_fold]
        states = {fold: state for fold, state in self.states.items() if fold not in self.trained}
        return Checkpoint(self.trained, states, models)

    def outcome(self, spec: StudySpec) -> Outcome:
        """The outcome, once all its trainings have ended."""
        if self.error is not None:
            return Outcome(TrialState.FAIL, None, None, describe(self.error), unreported=self.unreported)
        results = [self.trained[fold].result for fold in sorted(self.trained)]
        result = mean_result(results, spec) if results else None
        if self.prune_reason is not None or result is None:
            return Outcome(TrialState.PRUNED, None, result, self.prune_reason, unreported=self.unreported)
        values = result.values(spec)
        undefined = [name for name, value in zip(spec.objectives, values, strict=True) if not math.isfinite(value)]
        if undefined:
            reason = f"{', '.join(undefined)} has no finite value on this validation part"
            return Outcome(TrialState.FAIL, None, result, reason, unreported=self.unreported)
        return Outcome(
            TrialState.COMPLETE, values, result, self._describe_cut(result.epochs), unreported=self.unreported
        )

    def _describe_cut(self, epochs: int) -> str | None:
        folds = f" on {len(self.trained)} of {len(self.folds)} folds" if self.lacks_folds else ""
        return f"cut after {epochs} epochs{folds}, when the study ended" if self.was_cut or folds else None
