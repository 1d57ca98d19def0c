"""Report running trials to Optuna's pruner: at rungs of epochs, or with each fold that ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

from studies.objectives import ObjectiveName
from studies.search.auto_pruner import choose_pruner
from studies.search.mirror import freeze
from studies.spec.sampler import PrunerName
from studies.spec.study import StudySpec
from studies.sweep.running_trial import RunningTrial
from studies.training.result import EpochReport, reported_objective


def is_rung(epoch: int) -> bool:
    """Return whether a pruner judges and the dashboard sees this epoch: 1, 2, 3, 4, 6, 8, 12, 16, 24, …

    A value of every epoch would cost more in the database than the training does in a lane.
    """
    without_twos = epoch // (epoch & -epoch)
    return without_twos in (1, 3)


@dataclass(frozen=True, slots=True)
class Pruning:
    """The pruner's side of a sweep; without effect where no objective can be reported."""

    pruner: PrunerName
    objective: ObjectiveName | None

    @classmethod
    def of(cls, spec: StudySpec) -> Pruning:
        """The pruning of a study."""
        return cls(choose_pruner(spec).part.name, reported_objective(spec))

    def report_epoch(self, running: RunningTrial, report: EpochReport) -> None:
        """Let the pruner judge an epoch at a rung; a trial of several folds is judged by its folds instead."""
        if self.objective is not None and len(running.folds) == 1 and is_rung(report.epoch):
            self._judge(running, report.epoch, report.metrics[self.objective], f"epoch {report.epoch}")

    def report_fold(self, running: RunningTrial, fold: int) -> None:
        """Let the pruner judge the mean of the folds that have ended, or this one if it compares fold by fold."""
        if self.objective is None or len(running.folds) == 1:
            return
        values = {ended: trained.result.objective(self.objective) for ended, trained in running.trained.items()}
        when = f"{len(values)} of {len(running.folds)} folds"
        if self.pruner == "wilcoxon":
            self._judge(running, fold + 1, values[fold], when)
        else:
            self._judge(running, len(values), sum(values.values()) / len(values), when)

    def repeat_reports(self, running: RunningTrial) -> None:
        """Report again all that an earlier attempt reported: the pruner let it pass."""
        if running.trial is None or self.objective is None:
            return
        if len(running.folds) > 1:
            for fold in running.trained:
                self.report_fold(running, fold)
        else:
            for state in running.states.values():
                for epoch, entry in enumerate(state.facts["entries"], start=1):
                    if is_rung(epoch):
                        self._judge(running, epoch, entry[self.objective], f"epoch {epoch}")
        running.prune_reason = None

    def _judge(self, running: RunningTrial, step: int, value: float, when: str) -> None:
        # An engine that cannot go on from another's checkpoint reports its steps a second time.
        if running.trial is None or not math.isfinite(value) or step in freeze(running.trial).intermediate_values:
            return
        running.trial.report(value, step)
        running.unreported = [*running.unreported, (step, value)]
        if running.trial.should_prune():
            running.prune_reason = f"pruned by {self.pruner} after {when}"
