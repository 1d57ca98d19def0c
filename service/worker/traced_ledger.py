"""A ledger that traces: a span for each claim, each trial and each record, below the study's submission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial

from service import tracing
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ended_trials import EndedTrials
from service.storage.ledger import TrialLedger
from service.storage.records import StudyRecord
from service.storage.store import Store
from studies.errors import LeaseLostError
from studies.sweep.ledger import Claim, Outcome, Setback

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span


class TracedLedger(TrialLedger):
    """As TrialLedger; a trial's span lasts from its claim to its end here, and has the engine that `choice` names."""

    def __init__(
        self,
        store: Store,
        artifacts: Artifacts,
        study: StudyRecord,
        holder: Holder,
        ended_trials: EndedTrials,
        choice: Mapping[str, Any],
    ) -> None:
        super().__init__(store, artifacts, study, holder, ended_trials)
        self._traceparent = study.traceparent
        self._attributes = {
            "regsweep.study": study.name,
            "regsweep.study_id": study.id,
            "regsweep.worker": holder.name,
            "regsweep.engine": choice.get("engine"),
            "regsweep.lanes": choice.get("lanes"),
        }
        self._trials: dict[tuple[int, str], Span | None] = {}

    def claim(self, count: int, *, idle: bool = True) -> list[Claim]:
        """Claim slots, and begin the spans of their trials."""
        span = tracing.begin("claim", self._traceparent, **self._attributes)
        claims = super().claim(count, idle=idle)
        if claims:  # one that is not ended is not exported
            tracing.end(span, **{"regsweep.claimed": len(claims)})
        for claim in claims:
            attributes = self._attributes | {"regsweep.attempt": claim.attempt}
            self._trials[claim.trial_id, claim.token] = tracing.begin("trial", self._traceparent, **attributes)
        return claims

    def open(self, claim: Claim, template: FrozenTrial | None, params: Mapping[str, Any]) -> None:
        """Record a running trial."""
        super().open(claim, template, params)
        trial = self._trials.get((claim.trial_id, claim.token))
        if trial is not None and template is not None:
            trial.set_attribute("regsweep.trial", template.number)

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        """Record the end of a trial, and end its span."""
        trial = self._trials.pop((claim.trial_id, claim.token), None)
        try:
            with tracing.current(tracing.begin("record", tracing.traceparent(trial))):
                super().close(claim, number, outcome)
        except LeaseLostError:
            self._end(trial, number, "lost", None)
            raise
        epochs = None if outcome.result is None else outcome.result.epochs
        self._end(trial, number, str(outcome.state.name), epochs)

    def end_attempt(self, claim: Claim, number: int, setback: Setback, reason: str) -> None:
        """Record that an attempt gave nothing, and end its span."""
        super().end_attempt(claim, number, setback, reason)
        self._end(self._trials.pop((claim.trial_id, claim.token), None), number, setback, None)

    def hand_back(self, claim: Claim) -> None:
        """Free the slot, and end its span."""
        super().hand_back(claim)
        self._end(self._trials.pop((claim.trial_id, claim.token), None), claim.number, "handed back", None)

    def _end(self, trial: Span | None, number: int | None, state: str, epochs: int | None) -> None:
        facts = {"regsweep.trial": number, "regsweep.state": state, "regsweep.epochs": epochs}
        tracing.end(trial, **facts)
