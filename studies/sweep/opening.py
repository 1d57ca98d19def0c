"""Open trials for claims: asked of the sampler, resumed from an earlier attempt, or planned."""

from __future__ import annotations

from functools import cached_property

from optuna.trial import Trial

from studies.errors import NumberTakenError, ParamsMissingError
from studies.hyperparameters import Hyperparameters
from studies.plan import Plan
from studies.search.asker import Asker
from studies.search.generations import Generations
from studies.search.mirror import Mirror, as_template, freeze, planned_template
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Ledger
from studies.sweep.running_trial import RunningTrial


class TrialOpener:
    """Opens the trials of one sweep and records them in its ledger."""

    def __init__(self, spec: StudySpec, ledger: Ledger) -> None:
        self._spec, self._ledger = spec, ledger

    @cached_property
    def asker(self) -> Asker:
        """The sweep's asker, made when first needed: a planned study's trials need none, and come in any order."""
        kind = Generations if self._spec.reproducible else Mirror
        return kind(self._spec, self._ledger.trials(), self._ledger.warm_start_trials())

    def take_in_changes(self) -> None:
        """Show the sampler the trials of other workers."""
        self.asker.take_in(self._ledger.changed_trials())

    def open(self, claim: Claim) -> RunningTrial:
        """Open the trial of a claim.

        Raises LeaseLostError when the claim is no longer held.
        Raises ParamsMissingError when an earlier attempt opened it, and its params are no longer there.
        """
        return self._open_searched(claim) if claim.plan is None else self._open_planned(claim, claim.plan)

    def _open_searched(self, claim: Claim) -> RunningTrial:
        trial, hyperparameters = self._ask(claim) if claim.number is None else self._resume(claim.number)
        folds, epochs = range(self._spec.resampling.fits), self._spec.budget.epochs
        opened_with, kept = set(freeze(trial).system_attrs), self._spec.kept_fold(folds)
        return RunningTrial(claim, trial.number, trial, opened_with, hyperparameters, folds, epochs, kept)

    def _open_planned(self, claim: Claim, plan: Plan) -> RunningTrial:
        if claim.number is None:
            template = None if plan.is_repeat else planned_template(claim.slot, plan)
            self._ledger.open(claim, template, plan.params)
        epochs = plan.epochs or self._spec.budget.epochs
        hyperparameters = Hyperparameters.from_effective(plan.params, self._spec.space.l1_mode)
        kept = self._spec.kept_fold(plan.folds)
        return RunningTrial(claim, claim.slot, None, set(), hyperparameters, plan.folds, epochs, kept)

    def _resume(self, number: int) -> tuple[Trial, Hyperparameters]:
        trial = self.asker.resume(number)
        if missing := sorted(self._spec.space.distributions().keys() - trial.params.keys()):
            raise ParamsMissingError(f"trial {number} is no longer in Optuna's tables with its {', '.join(missing)}")
        return trial, self._spec.space.hyperparameters(trial.params)

    def _ask(self, claim: Claim) -> tuple[Trial, Hyperparameters]:
        while True:
            trial = self.asker.ask_for(claim.slot, claim.enqueued_params)
            hyperparameters = self._spec.space.hyperparameters(trial.params)
            try:
                self._ledger.open(claim, as_template(trial), hyperparameters.effective())
            except NumberTakenError:
                # Another worker asked at the same moment: its trial has the number, and this ask is made again.
                self.asker.unask(trial)
                self.take_in_changes()
            else:
                return trial, hyperparameters
