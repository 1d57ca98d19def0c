"""The one loop of a study: claim a trial of the budget, ask, train, report, tell; again until nothing is left."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections import deque
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

from optuna.trial import TrialState

from studies import faults
from studies.datasets.preprocessing import PreparedData
from studies.errors import LeaseLostError, ParamsMissingError, TrainingError, ran_out_of_memory
from studies.objectives import curve_metric
from studies.reasons import describe
from studies.spec.study import StudySpec
from studies.sweep.clock import Clock
from studies.sweep.ledger import Claim, Ledger, Order, Outcome, Report, Setback
from studies.sweep.model_writing import trained_on, write_model
from studies.sweep.opening import TrialOpener
from studies.sweep.pruning import Pruning
from studies.sweep.running_trial import RunningTrial
from studies.training import checkpoint
from studies.training.result import Engine, EpochReport, Job, Trained, TrainingState, rename_nested_metrics

_log = logging.getLogger(__name__)

#: Seconds between two reports to the ledger; in between, epochs cost no transaction.
REPORT_SECONDS = 0.25
#: Seconds between two reports that bring what running trials have got; a trial that ends before brings all of it.
CURVE_SECONDS = 2.0
#: How both grow: to a share of the longest running trial's age, and so many times at most.
_REPORT_GROWTH, _CURVE_GROWTH = (0.2, 8), (0.3, 4)


def sweep(
    spec: StudySpec,
    data: Sequence[PreparedData],
    ledger: Ledger,
    engine: Engine,
    report_seconds: float = REPORT_SECONDS,
    checkpoint_seconds: float = math.inf,
    curve_seconds: float = CURVE_SECONDS,
    clock: Clock = time,
) -> int:
    """Run trials of a study until there is nothing to claim; return the number of trials closed.

    The state of a trial is kept every `checkpoint_seconds`. A trial whose lease was lost is dropped: another worker has
    it now.
    """
    trials = _SweptTrials(spec, data, ledger, report_seconds, checkpoint_seconds, curve_seconds, clock)
    engine(data, trials)
    return trials.closed


class _SweptTrials:
    """studies.training.result.Trials of one sweep: asks in memory, writes to the ledger."""

    def __init__(
        self,
        spec: StudySpec,
        data: Sequence[PreparedData],
        ledger: Ledger,
        report_seconds: float,
        checkpoint_seconds: float,
        curve_seconds: float,
        clock: Clock,
    ) -> None:
        self._spec, self._data, self._ledger, self._clock = spec, data, ledger, clock
        self._report_seconds, self._checkpoint_seconds = report_seconds, checkpoint_seconds
        self._curve_seconds = curve_seconds
        self._curve_of = curve_metric(spec.objectives)
        self._opener, self._pruning = TrialOpener(spec, ledger), Pruning.of(spec)
        self._running: dict[int, RunningTrial] = {}
        self._waiting: deque[Job] = deque()  # trainings of running trials that found no lane yet
        self._order = Order.GO_ON
        self._last_report = self._last_curves = self._clock.monotonic()
        self._claim_again_at = 0.0
        self.closed = 0

    def next(self, free: int) -> list[Job]:
        """Hand out trainings of trials that run already, then of new ones."""
        if self._order is not Order.GO_ON:
            return []
        while (lacking := free - len(self._waiting)) > 0 and not any(r.claim.alone for r in self._running.values()):
            # A planned trial may have fewer trainings than others, so lanes can still lack some after a round.
            claims = self._claim(math.ceil(lacking / self._spec.resampling.fits))
            for claim in claims:
                self._waiting += self._begin(claim)
            if not claims or claims[0].plan is None:
                break
        return [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]

    def _claim(self, count: int) -> list[Claim]:
        # While other lanes train, an empty budget is asked again only now and then.
        if self._running and self._clock.monotonic() < self._claim_again_at:
            return []
        claims = self._ledger.claim(count, idle=not self._running)
        while not claims and not self._running and self._ledger.is_blocked():
            self._clock.sleep(self._report_seconds)
            claims = self._ledger.claim(count)
        if claims and claims[0].plan is None:
            self._opener.take_in_changes()
        if not claims:
            self._claim_again_at = self._clock.monotonic() + self._report_seconds
        return claims

    def _begin(self, claim: Claim) -> list[Job]:
        """Open a trial; return its trainings, none when the trial was lost since it was claimed."""
        try:
            try:
                running = self._opener.open(claim)
            except ParamsMissingError as error:
                _log.warning("a trial cannot go on: %s", error)
                self._ledger.end_attempt(claim, claim.number or 0, "failed", str(error))
                return []
            return self._start(running)
        except LeaseLostError as error:
            _log.warning("a claim was lost before its trial began: %s", error, extra=_ids(claim, claim.number))
            return []

    def _start(self, running: RunningTrial) -> list[Job]:
        """Return the trainings of a trial that an earlier attempt has not ended."""
        self._running[running.number] = running
        running.begun_at = running.state_kept_at = self._clock.monotonic()
        content = self._ledger.checkpoint(running.claim)
        if content is not None:
            running.restore(checkpoint.read(content))
            running.restore_curve(self._curve_of)
            self._pruning.repeat_reports(running)
        jobs = [self._job(running, fold) for fold in running.folds if fold not in running.trained]
        if not jobs:  # the earlier attempt was lost between its last training and its end
            del self._running[running.number]
            self._end(running)
        return jobs

    def _job(self, running: RunningTrial, fold: int) -> Job:
        plan, number = running.claim.plan, running.number
        return Job(
            number,
            self._spec,
            running.hyperparameters,
            self._spec.training_seed(number, fold, repeat=running.claim.is_repeat),
            fold,
            (plan is not None and plan.test) or self._spec.resampling.nested,
            running.states.get(fold),
            running.epochs,
        )

    def epoch(self, reports: Sequence[EpochReport]) -> Set[int]:
        """Let the pruner judge at rungs, and tell the ledger now and then; return the trials that are to end here."""
        for report in reports:
            running = self._running[report.number]
            self._pruning.report_epoch(running, report)
            if report.fold == running.kept_fold:
                running.curve.add(report.epoch, report.metrics[self._curve_of])
        faults.point("mid-epoch")
        if self._order is Order.GO_ON and self._is_due(self._last_report, self._report_seconds, _REPORT_GROWTH):
            self._report()
        self._keep_states(reports)
        if self._order is Order.END:
            return self._running.keys()
        ending = {number for number, running in self._running.items() if running.ending}
        if self._order is Order.HAND_BACK:
            # A training whose state cannot be had here goes on to an epoch where it can.
            return ending | {report.number for report in reports if report.may_stop}
        return ending

    def _is_due(self, last: float, seconds: float, growth: tuple[float, int]) -> bool:
        share, times = growth
        now = self._clock.monotonic()
        age = max((now - running.begun_at for running in self._running.values()), default=0.0)
        return now - last >= max(seconds, min(times * seconds, share * age))

    def _report(self) -> None:
        """Learn how the trials are to go on; now and then, record what they have got."""
        brings = self._is_due(self._last_curves, self._curve_seconds, _CURVE_GROWTH)
        reports = [
            Report(r.claim, number, r.unreported, r.curve.columns(self._curve_of))
            if brings
            else Report(r.claim, number, [])
            for number, r in self._running.items()
        ]
        standing = self._ledger.report(reports)
        self._order = standing.order
        for running in self._running.values():
            running.lost = running.lost or running.number in standing.lost
            running.unreported = [] if brings else running.unreported
        self._last_report = self._clock.monotonic()
        self._last_curves = self._last_report if brings else self._last_curves

    def _keep_states(self, reports: Sequence[EpochReport]) -> None:
        """Keep the state of trials that are handed back, or whose state was kept `checkpoint_seconds` ago."""
        leaving, now = self._order is Order.HAND_BACK, self._clock.monotonic()
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
                ids = _ids(running.claim, running.number)
                # A full disk costs this attempt nothing; only another one would have to begin anew.
                _log.warning("the state of trial %d is not kept: %s", running.number, error, extra=ids)

    def done(self, job: Job, outcome: Trained | Exception) -> None:
        """Take in one training; with a trial's last, tell it, or hand it back when this worker leaves."""
        running = self._running[job.number]
        running.outstanding -= 1
        if isinstance(outcome, Exception):
            running.error = running.error or outcome
        elif (
            not running.lost
            and (not running.ending or len(running.folds) == 1)
            and (self._order is not Order.HAND_BACK or running.finished(outcome))
        ):
            self._take_in(running, job.fold, outcome)
        if running.ending or self._order is not Order.GO_ON:
            self._drop_waiting(running)
        if not running.outstanding:
            del self._running[job.number]
            self._end(running)

    def _take_in(self, running: RunningTrial, fold: int, trained: Trained) -> None:
        if self._order is Order.END and not running.finished(trained):
            running.cut(self._spec)
        plan = running.claim.plan
        if self._spec.resampling.nested and not (plan is not None and plan.test):
            trained = replace(trained, result=rename_nested_metrics(trained.result))
        running.trained[fold] = trained
        self._pruning.report_fold(running, fold)

    def _drop_waiting(self, running: RunningTrial) -> None:
        kept = deque(job for job in self._waiting if job.number != running.number)
        dropped = len(self._waiting) - len(kept)
        self._waiting, running.outstanding = kept, running.outstanding - dropped
        if dropped and self._order is Order.END:
            running.drop_folds(self._spec)

    def _end(self, running: RunningTrial) -> None:
        if running.lost:
            return
        try:
            self._close(running)
        except LeaseLostError as error:
            running.lost = True
            ids = _ids(running.claim, running.number)
            _log.warning("trial %d is not told: %s", running.number, error, extra=ids)

    def _close(self, running: RunningTrial) -> None:
        if running.error is not None and not isinstance(running.error, TrainingError):
            setback: Setback = "out of memory" if ran_out_of_memory(running.error) else "failed"
            self._ledger.end_attempt(running.claim, running.number, setback, describe(running.error))
            return
        finished = len(running.trained) == len(running.folds) or running.ending
        if self._order is Order.HAND_BACK and not finished:
            self._ledger.hand_back(running.claim)
            return
        if running.lacks_folds and not self._is_only_result(running):
            running.prune()
        outcome, keeps_model = self._tell(running)
        if keeps_model:
            with tempfile.TemporaryDirectory() as folder:
                path = write_model(running, self._data, self._spec, Path(folder))
                self._ledger.keep_model(running.claim, running.number, path)
        self._ledger.close(running.claim, running.number, outcome)
        self.closed += 1

    def _is_only_result(self, running: RunningTrial) -> bool:
        """Return whether a trial that lacks folds is all that there is: beside whole ones it is judged unfairly."""
        self._opener.take_in_changes()
        return bool(running.trained) and not self._opener.asker.has_complete()

    def _outcome(self, running: RunningTrial) -> Outcome:
        outcome = running.outcome(self._spec)
        if outcome.result is None:
            return outcome
        detail = {**outcome.result.detail, "trained_on": trained_on(running, self._data, self._spec)}
        return replace(outcome, result=replace(outcome.result, detail=detail))

    def _tell(self, running: RunningTrial) -> tuple[Outcome, bool]:
        """Tell the sampler of a trial; return its outcome, and whether its model is kept."""
        outcome, trial = self._outcome(running), running.trial
        if trial is None:
            return outcome, running.kept_for_delivery and outcome.state == TrialState.COMPLETE
        told = self._opener.asker.tell(trial, outcome.state, outcome.values)
        noted = {key: value for key, value in told.system_attrs.items() if key not in running.opened_with}
        is_best = running.kept_fold in running.trained and self._opener.asker.is_best(told)
        return replace(outcome, values=told.values, attributes=noted), is_best


def _ids(claim: Claim, number: int | None) -> dict[str, int]:
    """What a log line is about."""
    return {"attempt": claim.attempt} | ({} if number is None else {"trial": number})
