"""Where a sweep records a study's trials: the one way in which effects reach it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from optuna.trial import FrozenTrial, TrialState

from studies.plan import Plan
from studies.training.result import TrialResult


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one trial of the budget, for as long as its lease is renewed."""

    key: int  # of the place in the budget
    place: int  # counted from 0; in a reproducible study also the trial's number
    token: str  # fences every write: another claim of the same place has another token
    number: int | None  # of the trial that an earlier attempt opened, None for a place never opened
    plan: Plan | None = None  # what it runs, where that is not asked of the sampler


class Verdict(enum.Enum):
    """What a running trial is to do next."""

    GO_ON = enum.auto()
    END = enum.auto()  # the study is over: keep what the trial has and tell it pruned
    HAND_BACK = enum.auto()  # this worker leaves: another one runs the trial


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
    - Every write raises LeaseLostError and changes nothing when a claim is no longer held.
    - A place of a reproducible study is claimed when every generation before its own has ended.
    """

    def claim(self, count: int) -> list[Claim]:
        """Up to `count` places of the budget that nobody runs; none when the study does not run."""

    def blocked(self) -> bool:
        """Whether places wait only for other workers to end a generation."""

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, by number."""

    def news(self) -> list[FrozenTrial]:
        """The trials, by number, of which something may be new since `trials` or `news` was last asked."""

    def open(self, claim: Claim, template: FrozenTrial) -> None:
        """Record a running trial with its params; NumberTakenError when another trial has its number."""

    def report(self, reports: Sequence[Report]) -> Verdict:
        """Record intermediate values, renew the leases, and learn how the study's trials are to go on."""

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep the model of the best trial so far, before its close."""

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        """Tell the trial and record everything it gave, in one transaction."""

    def hand_back(self, claim: Claim) -> None:
        """Give the place up for another worker to run."""
