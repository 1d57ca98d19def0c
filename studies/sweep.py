"""The one loop of a study: claim a trial of the budget, ask, train, report, tell; again until nothing is left."""

from __future__ import annotations

import enum
import logging
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from optuna.trial import FrozenTrial, Trial, TrialState

from studies.datasets.preprocessing import PreparedData
from studies.errors import NumberTakenError
from studies.mirror import Mirror, as_template
from studies.search_space import Hyperparameters
from studies.seeds import trial_seed
from studies.spec import StudySpec
from studies.training.result import Job, OnEpoch, Trained, TrialResult, reported_objective

_log = logging.getLogger(__name__)

Train = Callable[[Job, PreparedData, OnEpoch], Trained]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one trial of the budget, for as long as its lease is renewed."""

    key: int  # of the place in the budget
    token: str  # fences every write: another claim of the same place has another token
    number: int | None  # of the trial that an earlier attempt opened, None for a place never opened


class Verdict(enum.Enum):
    """What a running trial is to do next."""

    GO_ON = enum.auto()
    END = enum.auto()  # the study is over: keep what the trial has and tell it pruned
    HAND_BACK = enum.auto()  # this worker leaves: another one runs the trial


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended."""

    state: TrialState  # COMPLETE, PRUNED or FAIL
    values: Sequence[float] | None
    result: TrialResult | None  # None when the training gave nothing
    reason: str | None  # in words, for PRUNED and FAIL


class Ledger(Protocol):
    """Where a study's trials are recorded.

    - A place of the budget is claimed by one worker at a time, and told at most once.
    - Every write raises LeaseLostError and changes nothing when the claim is no longer held.
    """

    def claim(self) -> Claim | None:
        """A place of the budget that nobody runs, None when there is none or the study does not run."""

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, by number."""

    def open(self, claim: Claim, template: FrozenTrial) -> None:
        """Record a running trial with its params; NumberTakenError when another trial has its number."""

    def report(self, claim: Claim, number: int, step: int, value: float | None) -> Verdict:
        """Record an intermediate value, if there is one, and learn how to go on."""

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep the model of the best trial so far, before its close."""

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        """Tell the trial and record everything it gave, in one transaction."""

    def hand_back(self, claim: Claim) -> None:
        """Give the place up for another worker to run."""


def sweep(spec: StudySpec, data: PreparedData, ledger: Ledger, train: Train) -> int:
    """Run trials of a study until there is nothing to claim; the number of trials closed.

    LeaseLostError ends it early: whatever the worker held is another's now.
    """
    mirror = Mirror(spec, ledger.trials())
    closed = 0
    while (claim := ledger.claim()) is not None:
        mirror, trial = _opened(claim, spec, mirror, ledger)
        course = _Course(claim, trial, spec, ledger)
        outcome, trained = _trained(Job(spec, _hyperparameters(spec, trial), _seed(spec, trial)), data, course, train)
        if course.interruption is not None:
            raise course.interruption
        if course.handed_back:
            ledger.hand_back(claim)
            break
        told = mirror.tell(trial, outcome.state, outcome.values)
        if trained is not None and mirror.is_best(told):
            _keep_model(claim, trial.number, trained, ledger)
        ledger.close(claim, trial.number, replace(outcome, values=told.values))
        closed += 1
    return closed


def _opened(claim: Claim, spec: StudySpec, mirror: Mirror, ledger: Ledger) -> tuple[Mirror, Trial]:
    """The claimed trial, asked now or by an earlier attempt, and the mirror that holds it."""
    mirror.take_in(ledger.trials())
    if claim.number is not None:
        return mirror, mirror.resume(claim.number)
    while True:
        trial = mirror.ask()
        try:
            ledger.open(claim, as_template(trial))
        except NumberTakenError:
            # Another worker asked at the same moment; what this one asked never was, so the mirror starts anew.
            mirror = Mirror(spec, ledger.trials())
        else:
            return mirror, trial


def _hyperparameters(spec: StudySpec, trial: Trial) -> Hyperparameters:
    return spec.space.hyperparameters(trial.params)


def _seed(spec: StudySpec, trial: Trial) -> int:
    return trial_seed(spec.seed, trial.number)


class _Course:
    """Reports each epoch of one trial and remembers why its training was ended, if it was.

    What the ledger raises waits here until the engine has returned, so that it is never taken for the training's fault.
    """

    def __init__(self, claim: Claim, trial: Trial, spec: StudySpec, ledger: Ledger) -> None:
        self._claim, self._trial, self._spec, self._ledger = claim, trial, spec, ledger
        self._reported = reported_objective(spec)
        self.interruption: Exception | None = None
        self.handed_back = False
        self.pruned: str | None = None  # the reason

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        value = None if self._reported is None else metrics[self._reported]
        try:
            verdict = self._ledger.report(self._claim, self._trial.number, epoch, value)
        except Exception as error:  # noqa: BLE001  # raised again by `sweep`
            self.interruption = error
            return False
        if value is not None:
            self._trial.report(value, epoch)
        if verdict is Verdict.HAND_BACK:
            self.handed_back = True
        elif verdict is Verdict.END:
            self.pruned = "the study ended while the trial ran"
        elif value is not None and self._trial.should_prune():
            self.pruned = f"pruned by {self._spec.pruner.name} after epoch {epoch}"
        return self.pruned is None and not self.handed_back


def _trained(job: Job, data: PreparedData, course: _Course, train: Train) -> tuple[Outcome, Trained | None]:
    try:
        trained = train(job, data, course)
    # Whatever a training raises is the end of that trial and not of the worker; the reason is kept with the trial.
    except Exception as error:  # noqa: BLE001
        _log.warning("a trial failed", exc_info=error)
        return Outcome(TrialState.FAIL, None, None, f"{type(error).__name__}: {error}"), None
    if course.pruned is not None:
        return Outcome(TrialState.PRUNED, None, trained.result, course.pruned), trained
    values = trained.result.values(job.spec)
    undefined = [name for name, value in zip(job.spec.objectives, values, strict=True) if not math.isfinite(value)]
    if undefined:
        reason = f"{', '.join(undefined)} has no finite value on this validation part"
        return Outcome(TrialState.FAIL, None, trained.result, reason), trained
    return Outcome(TrialState.COMPLETE, values, trained.result, None), trained


def _keep_model(claim: Claim, number: int, trained: Trained, ledger: Ledger) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        trained.save(path)
        ledger.keep_model(claim, number, path)
