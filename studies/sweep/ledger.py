"""Where a sweep records a study's trials: the one way in which effects reach it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from optuna.trial import FrozenTrial, TrialState

from studies.plan import Plan
from studies.training.result import TrialResult


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one trial of the budget, for as long as its lease is renewed."""

    trial_id: int  # of the row in the ledger
    slot: int  # of the budget, counted from 0; in a reproducible study also the trial's number
    token: str  # fences every write: another claim of the same slot has another token
    number: int | None  # of the trial that an earlier attempt opened, None for a slot never opened
    attempt: int = 1  # at the slot, counted from 1
    plan: Plan | None = None  # what it runs, where that is not asked of the sampler
    enqueued_params: Mapping[str, Any] | None = None  # a user's; the sampler gives those that are missing
    checkpoint: str | None = None  # where the ledger finds the state that an earlier attempt left
    alone: bool = False  # whether nothing else may run beside it


class Verdict(enum.Enum):
    """What a running trial is to do next."""

    GO_ON = enum.auto()
    END = enum.auto()  # the study is over: keep what the trial has and tell it pruned
    HAND_BACK = (
        enum.auto()
    )  # this worker leaves, or the study is paused: keep the trial's state for who goes on with it


@dataclass(frozen=True, slots=True)
class Standing:
    """How the running trials of a sweep stand."""

    verdict: Verdict
    lost: Set[int] = frozenset()  # numbers of trials that are another worker's now, or deleted


#: Why an attempt gave nothing, where another may.
Setback = Literal["failed", "out of memory"]


@dataclass(frozen=True, slots=True)
class Report:
    """A running trial's sign of life, with what it has to say since the last."""

    claim: Claim
    number: int
    values: Sequence[tuple[int, float]]  # steps and intermediate values


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended."""

    state: TrialState  # COMPLETE, PRUNED or FAIL
    values: Sequence[float] | None
    result: TrialResult | None  # None when the training gave nothing
    reason: str | None  # in words, for PRUNED and FAIL
    attributes: Mapping[str, Any] = field(default_factory=dict)  # what Optuna's pruner noted of the trial
    unreported: Sequence[tuple[int, float]] = ()  # steps and intermediate values


class Ledger(Protocol):
    """Where a study's trials are recorded.

    - A place of the budget is claimed by one worker at a time, and told at most once.
    - Every write of one trial raises LeaseLostError and changes nothing when its claim is no longer held.
    - A place of a reproducible study is claimed when every generation before its own has ended.
    """

    def claim(self, count: int, *, idle: bool = True) -> list[Claim]:
        """Up to `count` places of the budget that nobody runs, or one that must run alone if this worker is idle; none
        when the study does not run.
        """

    def blocked(self) -> bool:
        """Whether places wait only for other workers to end a generation."""

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, by number."""

    def news(self) -> list[FrozenTrial]:
        """The trials, by number, of which something may be new since `trials` or `news` was last asked."""

    def warm_start_trials(self) -> list[FrozenTrial]:
        """Trials of another study that the sampler is to know."""

    def open(self, claim: Claim, template: FrozenTrial) -> None:
        """Record a running trial with its params; NumberTakenError when another trial has its number."""

    def report(self, reports: Sequence[Report]) -> Standing:
        """Record intermediate values, renew the leases, and learn how the study's trials are to go on."""

    def keep_checkpoint(self, claim: Claim, number: int, state: Path) -> None:
        """Keep the state of a trial's trainings, in place of what was kept of it before."""

    def checkpoint(self, claim: Claim) -> bytes | None:
        """The state that an earlier attempt kept; None when there is none, or no longer."""

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep the model of the best trial so far, before its close."""

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        """Tell the trial and record everything it gave, in one transaction."""

    def end_attempt(self, claim: Claim, number: int, setback: Setback, reason: str) -> None:
        """End an attempt that gave nothing: the trial waits for another, or fails when it had its last."""

    def hand_back(self, claim: Claim) -> None:
        """Give the place up for another worker to run."""
