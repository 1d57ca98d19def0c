"""The one loop of a study: claim a trial of the budget, ask, train, report, tell; again until nothing is left."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections import deque
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cached_property
from math import ceil
from pathlib import Path

from optuna.trial import Trial, TrialState

from studies import faults
from studies.datasets.preprocessing import PreparedData
from studies.errors import LeaseLostError, NumberTakenError, TrainingError, ran_out_of_memory
from studies.hyperparameters import Hyperparameters
from studies.objectives import ObjectiveName
from studies.plan import Plan
from studies.search.generations import Generations
from studies.search.mirror import Mirror, as_template, frozen, planned_template
from studies.seeds import trial_seed
from studies.spec.study import StudySpec
from studies.sweep.ledger import Claim, Ledger, Report, Setback, Verdict
from studies.sweep.running_trial import RunningTrial, described
from studies.training import checkpoint
from studies.training.mean_model import write_mean
from studies.training.result import (
    Engine,
    EpochReport,
    Job,
    Trained,
    TrainingState,
    rename_nested_metrics,
    reported_objective,
)

_log = logging.getLogger(__name__)

#: Seconds between two reports to the ledger; in between, epochs cost no transaction.
REPORT_SECONDS = 0.25
_CUT = "the study ended while the trial ran"


def sweep(
    spec: StudySpec,
    data: Sequence[PreparedData],
    ledger: Ledger,
    engine: Engine,
    report_seconds: float = REPORT_SECONDS,
    checkpoint_seconds: float = math.inf,
) -> int:
    """Run trials of a study until there is nothing to claim; the number of trials closed.

    A trial that runs for longer than `checkpoint_seconds` has its state kept so often. One whose lease was lost is
    dropped: it is another worker's now.
    """
    trials = _SweptTrials(spec, data, ledger, report_seconds, checkpoint_seconds)
    engine(data, trials)
    return trials.closed


def is_rung(epoch: int) -> bool:
    """Whether a pruner judges and the dashboard sees this epoch: 1, 2, 3, 4, 6, 8, 12, 16, 24, …

    A value of every epoch would cost more in the database than the training does in a lane.
    """
    without_twos = epoch // (epoch & -epoch)
    return without_twos in (1, 3)


class _SweptTrials:
    """studies.training.result.Trials of one sweep: asks the mirror, writes to the ledger."""

    def __init__(
        self,
        spec: StudySpec,
        data: Sequence[PreparedData],
        ledger: Ledger,
        report_seconds: float,
        checkpoint_seconds: float,
    ) -> None:
        self._spec, self._data, self._ledger = spec, data, ledger
        self._report_seconds, self._checkpoint_seconds = report_seconds, checkpoint_seconds
        self._objective = reported_objective(spec)
        self._running: dict[int, RunningTrial] = {}
        self._waiting: deque[Job] = deque()  # trainings of running trials that found no lane yet
        self._verdict = Verdict.GO_ON
        self._last_report = time.monotonic()
        self._claim_again_at = 0.0
        self.closed = 0

    @cached_property
    def _asker(self) -> Mirror | Generations:
        """Made when first needed: the trials of a study that is planned need none, and come in any order."""
        kind = Generations if self._spec.reproducible else Mirror
        return kind(self._spec, self._ledger.trials(), self._ledger.warm_start_trials())

    def next(self, free: int) -> list[Job]:
        """Trainings of trials that run already, then of new ones."""
        if self._verdict is not Verdict.GO_ON:
            return []
        while (lacking := free - len(self._waiting)) > 0 and not any(r.claim.alone for r in self._running.values()):
            # A planned trial may have fewer trainings than others, so lanes can still lack some after a round.
            claims = self._claims(ceil(lacking / self._spec.resampling.fits))
            for claim in claims:
                self._waiting += self._begun(claim)
            if not claims or claims[0].plan is None:
                break
        return [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]

    def _claims(self, count: int) -> list[Claim]:
        # While other lanes train, an empty budget is asked again only now and then.
        if self._running and time.monotonic() < self._claim_again_at:
            return []
        claims = self._ledger.claim(count, idle=not self._running)
        while not claims and not self._running and self._ledger.blocked():
            time.sleep(self._report_seconds)
            claims = self._ledger.claim(count)
        if claims and claims[0].plan is None:
            self._look_around()
        if not claims:
            self._claim_again_at = time.monotonic() + self._report_seconds
        return claims

    def _begun(self, claim: Claim) -> list[Job]:
        """The trainings of a trial that are to be run; none when it was lost since it was claimed."""
        try:
            return self._begin(claim) if claim.plan is None else self._begin_planned(claim, claim.plan)
        except LeaseLostError as error:
            _log.warning("a claim was lost before its trial began: %s", error)
            return []

    def _begin(self, claim: Claim) -> list[Job]:
        trial = self._trial(claim)
        folds = range(self._spec.resampling.fits)
        opened_with = set(frozen(trial).system_attrs)
        epochs = self._spec.budget.epochs
        running = RunningTrial(claim, trial.number, trial, opened_with, len(folds), epochs, len(folds))
        hyperparameters = self._spec.space.hyperparameters(trial.params)
        return self._jobs(running, hyperparameters, folds)

    def _begin_planned(self, claim: Claim, plan: Plan) -> list[Job]:
        number, folds = claim.slot, plan.folds
        if claim.number is None:
            self._ledger.open(claim, planned_template(number, plan))
        epochs = plan.epochs or self._spec.budget.epochs
        running = RunningTrial(claim, number, None, set(), len(folds), epochs, len(folds))
        hyperparameters = Hyperparameters.from_effective(plan.params, self._spec.space.l1_mode)
        return self._jobs(running, hyperparameters, folds, test=plan.test)

    def _jobs(
        self, running: RunningTrial, hyperparameters: Hyperparameters, folds: Sequence[int], *, test: bool = False
    ) -> list[Job]:
        """The trainings of a trial, from where an earlier attempt has left them."""
        self._running[running.number] = running
        content = self._ledger.checkpoint(running.claim)
        if content is not None:
            self._take_up(running, checkpoint.read(content))
        measures_test = test or self._spec.resampling.nested
        jobs = [
            Job(
                running.number,
                self._spec,
                hyperparameters,
                trial_seed(self._spec.seed, running.number, fold),
                fold,
                measures_test,
                running.states.get(fold),
                running.epochs,
            )
            for fold in folds
            if fold not in running.given
        ]
        if not jobs:  # the earlier attempt was lost between its last training and its end
            del self._running[running.number]
            self._end(running)
        return jobs

    def _take_up(self, running: RunningTrial, kept: checkpoint.Checkpoint) -> None:
        running.states = dict(kept.running)
        running.given, running.outstanding = dict(kept.ended), running.outstanding - len(kept.ended)
        if running.trial is None or self._objective is None:
            return
        # The pruner hears again what it has heard and let pass.
        if running.trainings > 1:
            for fold in running.given:
                self._judge_folds(running, fold, self._objective)
        else:
            for state in kept.running.values():
                for epoch, entry in enumerate(state.facts["entries"], start=1):
                    if is_rung(epoch):
                        self._judge(running, epoch, entry[self._objective], f"epoch {epoch}")
        running.pruned = None

    def _trial(self, claim: Claim) -> Trial:
        if isinstance(self._asker, Mirror):
            return self._asked(claim, self._asker) if claim.number is None else self._asker.resume(claim.number)
        trial = self._asker.ask(claim.slot)
        if claim.number is None:
            self._ledger.open(claim, as_template(trial))
        return trial

    def _asked(self, claim: Claim, mirror: Mirror) -> Trial:
        while True:
            trial = mirror.ask(claim.enqueued_params)
            try:
                self._ledger.open(claim, as_template(trial))
            except NumberTakenError:
                # Another worker asked at the same moment: its trial takes the number, and this ask is made again.
                mirror.unask(trial)
                self._look_around()
            else:
                return trial

    def _look_around(self) -> None:
        self._asker.take_in(self._ledger.news())

    def epoch(self, reports: Sequence[EpochReport]) -> Set[int]:
        """Let the pruner judge at rungs; tell the ledger now and then."""
        for report in reports:
            running = self._running[report.number]
            # Of a trial of several folds the pruner sees each fold as it ends.
            if self._objective is not None and running.trainings == 1 and is_rung(report.epoch):
                self._judge(running, report.epoch, report.metrics[self._objective], f"epoch {report.epoch}")
        faults.point("mid-epoch")
        if self._verdict is Verdict.GO_ON and time.monotonic() - self._last_report >= self._report_seconds:
            self._report()
        self._keep_states(reports)
        if self._verdict is Verdict.END:
            return self._running.keys()
        ending = {number for number, running in self._running.items() if running.ending}
        if self._verdict is Verdict.HAND_BACK:
            # Those whose state can be had here; the others are trained on to where it can.
            return ending | {report.number for report in reports if report.may_stop}
        return ending

    def _keep_states(self, reports: Sequence[EpochReport]) -> None:
        """Keep the state of trials that have run for long since it was last kept, or that are handed back."""
        leaving, now = self._verdict is Verdict.HAND_BACK, time.monotonic()
        due: dict[int, dict[int, TrainingState]] = {}
        for report in reports:
            running = self._running[report.number]
            late = leaving or now - running.state_kept_at >= self._checkpoint_seconds
            if late and report.state is not None and not running.ending:
                due.setdefault(report.number, {})[report.fold] = report.state()
        for number, states in due.items():
            running = self._running[number]
            running.states |= states
            running.state_kept_at = now
            self._keep_checkpoint(running)

    def _keep_checkpoint(self, running: RunningTrial) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "checkpoint")
            try:
                checkpoint.write(running.checkpoint(), path)
                self._ledger.keep_checkpoint(running.claim, running.number, path)
            except LeaseLostError:
                running.lost = True
            except OSError as error:
                # A disk that is full costs what another attempt would save, and not this one.
                _log.warning("the state of trial %d is not kept: %s", running.number, error)

    def _judge(self, running: RunningTrial, step: int, value: float, when: str) -> None:
        # An engine that cannot go on from a checkpoint of another begins anew.
        if running.trial is None or not math.isfinite(value) or step in frozen(running.trial).intermediate_values:
            return
        running.trial.report(value, step)
        running.unreported = [*running.unreported, (step, value)]
        if running.trial.should_prune():
            running.pruned = f"pruned by {self._spec.pruner.name} after {when}"

    def _report(self) -> None:
        reports = [Report(r.claim, number, r.unreported) for number, r in self._running.items()]
        standing = self._ledger.report(reports)
        self._verdict = standing.verdict
        for running in self._running.values():
            running.unreported, running.lost = [], running.lost or running.number in standing.lost
        self._last_report = time.monotonic()

    def done(self, job: Job, outcome: Trained | Exception) -> None:
        """Take in one training; with a trial's last, tell it, or hand it back when this worker leaves."""
        running = self._running[job.number]
        running.outstanding -= 1
        if isinstance(outcome, Exception):
            running.failed = running.failed or outcome
        elif (
            not running.lost
            and (not running.ending or running.trainings == 1)
            and not self._cut_short(running, outcome)
        ):
            self._keep(running, job.fold, outcome)
        if running.ending or self._verdict is not Verdict.GO_ON:
            self._drop_waiting(running)
        if not running.outstanding:
            del self._running[job.number]
            self._end(running)

    def _cut_short(self, running: RunningTrial, outcome: Trained) -> bool:
        """Whether a training ended only because this worker leaves."""
        return self._verdict is Verdict.HAND_BACK and not self._whole(running, outcome)

    def _whole(self, running: RunningTrial, outcome: Trained) -> bool:
        return outcome.result.stopped_early or outcome.result.epochs >= running.epochs

    def _end(self, running: RunningTrial) -> None:
        try:
            if not running.lost:
                self._close(running)
        except LeaseLostError as error:
            running.lost = True
            _log.warning("trial %d is not told: %s", running.number, error)

    def _keep(self, running: RunningTrial, fold: int, outcome: Trained) -> None:
        if self._verdict is Verdict.END and not self._whole(running, outcome):
            running.pruned = running.pruned or _CUT
        plan = running.claim.plan
        if self._spec.resampling.nested and not (plan is not None and plan.test):
            outcome = replace(outcome, result=rename_nested_metrics(outcome.result))
        running.given[fold] = outcome
        if self._objective is not None and running.trainings > 1:
            self._judge_folds(running, fold, self._objective)

    def _judge_folds(self, running: RunningTrial, fold: int, objective: ObjectiveName) -> None:
        """Let the pruner see the mean of the folds that have ended, or, where it compares fold by fold, this one."""
        values = {ended: trained.result.objective(objective) for ended, trained in running.given.items()}
        when = f"{len(values)} of {running.trainings} folds"
        if self._spec.pruner.name == "wilcoxon":
            self._judge(running, fold + 1, values[fold], when)
        else:
            self._judge(running, len(values), sum(values.values()) / len(values), when)

    def _drop_waiting(self, running: RunningTrial) -> None:
        kept = deque(job for job in self._waiting if job.number != running.number)
        dropped = len(self._waiting) - len(kept)
        self._waiting, running.outstanding = kept, running.outstanding - dropped
        if dropped and self._verdict is Verdict.END:
            running.pruned = running.pruned or _CUT

    def _close(self, running: RunningTrial) -> None:
        if running.failed is not None and not isinstance(running.failed, TrainingError):
            setback: Setback = "out of memory" if ran_out_of_memory(running.failed) else "failed"
            self._ledger.end_attempt(running.claim, running.number, setback, described(running.failed))
            return
        finished = len(running.given) == running.trainings or running.ending
        if self._verdict is Verdict.HAND_BACK and not finished:
            self._ledger.hand_back(running.claim)
            return
        ended = running.outcome(self._spec)
        plan = running.claim.plan
        if running.trial is None:
            keeps = plan is not None and (plan.test or plan.deliver is not None) and ended.state == TrialState.COMPLETE
        else:
            told = self._asker.tell(running.trial, ended.state, ended.values)
            noted = {key: value for key, value in told.system_attrs.items() if key not in running.opened_with}
            ended = replace(ended, values=told.values, attributes=noted)
            keeps = bool(running.given) and self._asker.is_best(told)
        if keeps:
            self._keep_model(running)
        self._ledger.close(running.claim, running.number, ended)
        self.closed += 1

    def _keep_model(self, running: RunningTrial) -> None:
        """Keep the first training's model, or, for delivery on folds, the mean of all."""
        plan = running.claim.plan
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            if plan is not None and plan.deliver == "folds" and plan.prepared_by is not None:
                members = self._saved(running, Path(folder))
                write_mean(members, self._data[plan.prepared_by], path)
            else:
                running.given[min(running.given)].save(path)
            self._ledger.keep_model(running.claim, running.number, path)

    def _saved(self, running: RunningTrial, folder: Path) -> list[tuple[PreparedData, Path]]:
        """The models of all trainings of a trial, each with the data it was trained on."""
        found = []
        for fold, trained in sorted(running.given.items()):
            trained.save(path := folder / f"{fold}.keras")
            found.append((self._data[fold], path))
        return found
