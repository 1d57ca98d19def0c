"""A study's record in memory, for tests of the loop that writes to it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from studies.errors import LeaseLostError, NumberTakenError
from studies.sweep.ledger import Claim, Order, Outcome, Report, Setback, Standing


@dataclass
class MemoryLedger:
    """Implements studies.sweep.ledger.Ledger; what a test wants to go differently it overrides."""

    budget: int
    record: list[FrozenTrial] = field(default_factory=list)
    params: dict[int, Mapping[str, Any]] = field(default_factory=dict)  # as they take effect
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    checkpoints: dict[int, bytes] = field(default_factory=dict)
    setbacks: list[tuple[int, Setback, str]] = field(default_factory=list)
    models: dict[int, str] = field(default_factory=dict)
    handed_back: list[Claim] = field(default_factory=list)
    waiting: list[int | None] = field(default_factory=list)  # trial numbers of places given up
    held: set[int] = field(default_factory=set)
    places: int = 0  # of the budget that were taken
    refused: int = 0  # opens whose number was taken
    keys: int = 0  # that were given out

    def claim(self, count: int, *, idle: bool = True) -> list[Claim]:
        assert idle or not self.setbacks
        claims: list[Claim] = []
        while len(claims) < count and (self.waiting or self.places < self.budget):
            number = self.waiting.pop(0) if self.waiting else None
            self.places += number is None
            self.keys += 1
            self.held.add(self.keys)
            place = self.places - 1 if number is None else number
            claims.append(Claim(self.keys, place, f"token {self.keys}", number))
        return claims

    def is_blocked(self) -> bool:
        return False

    def trials(self) -> list[FrozenTrial]:
        return copy.deepcopy(self.record)

    def changed_trials(self) -> list[FrozenTrial]:
        return self.trials()

    def open(self, claim: Claim, template: FrozenTrial | None, params: Mapping[str, Any]) -> None:
        self._check(claim)
        assert template is not None, "a plan of repeats needs a ledger on a database"
        if template.number < len(self.record):
            self.refused += 1
            raise NumberTakenError(str(template.number))
        assert template.number == len(self.record)
        assert template.state == TrialState.RUNNING
        self.record.append(copy.deepcopy(template))
        self.params[template.number] = params

    def report(self, reports: Sequence[Report]) -> Standing:
        for report in reports:
            self._check(report.claim)
            self.record[report.number].intermediate_values.update(dict(report.values))
        return Standing(self.order())

    def order(self) -> Order:
        return Order.GO_ON

    def warm_start_trials(self) -> list[FrozenTrial]:
        return []

    def keep_checkpoint(self, claim: Claim, number: int, state: Path) -> None:
        self._check(claim)
        self.checkpoints[number] = state.read_bytes()

    def checkpoint(self, claim: Claim) -> bytes | None:
        return None if claim.number is None else self.checkpoints.get(claim.number)

    def end_attempt(self, claim: Claim, number: int, setback: Setback, reason: str) -> None:
        self._check(claim)
        self.held.remove(claim.trial_id)
        self.setbacks.append((number, setback, reason))
        self.outcomes[number] = Outcome(TrialState.FAIL, None, None, reason)

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        self._check(claim)
        assert number not in self.outcomes, "a model is kept before the close"
        self.models[number] = model.read_text(encoding="utf-8")

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        self._check(claim)
        assert number not in self.outcomes, "a trial is told once"
        self.held.remove(claim.trial_id)
        self.outcomes[number] = outcome
        trial = self.record[number]
        trial.intermediate_values.update(dict(outcome.unreported))
        trial.state = outcome.state
        trial.values = None if outcome.values is None else list(outcome.values)
        trial.datetime_complete = datetime.now()

    def hand_back(self, claim: Claim) -> None:
        self._check(claim)
        self.held.remove(claim.trial_id)
        self.handed_back.append(claim)

    def _check(self, claim: Claim) -> None:
        if claim.trial_id not in self.held:
            raise LeaseLostError(f"place {claim.trial_id} is not held")
