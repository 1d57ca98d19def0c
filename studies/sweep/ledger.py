"""Records a study's trials: the only way by which it has effects."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from optuna.trial import FrozenTrial, TrialState

from studies.plan import Plan
from studies.training.result import Curve, TrialResult


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run the trial of one slot of the budget, for as long as its lease is renewed."""

    trial_id: int  # of the slot's row in the ledger
    slot: int  # counted from 0; in a reproducible study also the trial's number
    token: str  # fences every write: another claim of the same slot has another token
    number: int | None  # of the trial that an earlier attempt opened, None for a slot never opened
    attempt: int = 1  # at the slot, counted from 1
    plan: Plan | None = None  # what it runs, where that is not asked of the sampler
    enqueued_params: Mapping[str, Any] | None = None  # params that the user wants; the sampler suggests the others
    checkpoint: str | None = None  # where the ledger finds the state that an earlier attempt left
    alone: bool = False  # whether nothing else may run beside it

    @property
    def is_repeat(self) -> bool:
        """True when it trains the best trial's params again."""
        return self.plan is not None and self.plan.is_repeat


class Order(enum.Enum):
    """The ledger's order to running trials."""

    GO_ON = enum.auto()
    END = enum.auto()  # the study is over: each trial ends where it is, with the result of its epochs so far
    HAND_BACK = enum.auto()  # this worker leaves, or the study is paused: keep each trial's state for the next worker


@dataclass(frozen=True, slots=True)
class Standing:
    """The ledger's answer to a report."""

    order: Order
    lost: Set[int] = frozenset()  # numbers of trials that were deleted or are another worker's now


#: Why an attempt gave no result, where another may.
Setback = Literal["failed", "out of memory"]


@dataclass(frozen=True, slots=True)
class Report:
    """A running trial's sign of life, with its intermediate values since the last."""

    claim: Claim
    number: int
    values: Sequence[tuple[int, float]]  # steps and intermediate values
    curve: Curve | None = None  # of the epochs so far, for those who watch; None where it is not due


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a trial."""

    state: TrialState  # COMPLETE, PRUNED or FAIL
    values: Sequence[float] | None
    result: TrialResult | None  # None when the training gave nothing
    reason: str | None  # in words, for PRUNED and FAIL, and for a COMPLETE trial that the study's end cut
    attributes: Mapping[str, Any] = field(default_factory=dict)  # that Optuna's pruner set on the trial
    unreported: Sequence[tuple[int, float]] = ()  # steps and intermediate values


class Ledger(Protocol):
    """Records a study's trials.

    - A slot of the budget is claimed by one worker at a time, and its trial is told at most once.
    - Every write of one trial raises LeaseLostError and changes nothing when its claim is no longer held.
    - A slot of a reproducible study is claimed when every generation before its own has ended.
    """

    def claim(self, count: int, *, idle: bool = True) -> list[Claim]:
        """Claim up to `count` slots that nobody runs, or, if this worker is idle, one that must run alone.

        None is left to claim when the study does not run.
        """

    def is_blocked(self) -> bool:
        """Return whether slots wait only for other workers to end a generation."""

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, by number."""

    def changed_trials(self) -> list[FrozenTrial]:
        """The trials, by number, that may have changed since the last call of `trials` or `changed_trials`."""

    def warm_start_trials(self) -> list[FrozenTrial]:
        """Trials of another study that the sampler learns from."""

    def open(self, claim: Claim, template: FrozenTrial | None, params: Mapping[str, Any]) -> None:
        """Record a running trial with its params, as the sampler suggested them and as they take effect.

        A repeat has no template: Optuna does not know of it.

        Raises NumberTakenError when another trial has its number.
        """

    def report(self, reports: Sequence[Report]) -> Standing:
        """Record intermediate values and curves, renew the leases, and learn how the study's trials are to go on.

        Reports that bring neither cost little: they may renew the leases only now and then.
        """

    def keep_checkpoint(self, claim: Claim, number: int, state: Path) -> None:
        """Keep the state of a trial's trainings in place of the one kept before."""

    def checkpoint(self, claim: Claim) -> bytes | None:
        """The state that an earlier attempt kept; None when there is none, or no longer."""

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep the model of the best trial so far, before its close."""

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        """Tell the trial and record its result, in one transaction."""

    def end_attempt(self, claim: Claim, number: int, setback: Setback, reason: str) -> None:
        """End an attempt that gave no result: the trial waits for another, or fails when this was its last."""

    def hand_back(self, claim: Claim) -> None:
        """Give the slot up for another worker to run."""
