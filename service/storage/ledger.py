"""The ledger in which a worker records the trials of one study, each write fenced by the token of its claim.

A write changes our rows and Optuna's in one transaction (transactions.transaction), or neither. Our rows lead: a trial
that another program has told or deleted in Optuna's tables goes on, and what was done there is written over at its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from sqlalchemy.orm import Session

from service.storage import (
    attempts,
    changes,
    claiming,
    comparisons,
    kept_models,
    locking,
    optuna_history,
    optuna_tables,
    transactions,
    trial_attributes,
)
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.clock import unix_now
from service.storage.deadline import Deadline
from service.storage.ended_trials import EndedTrials, Version
from service.storage.records import StudyRecord, TrialRecord, claimable
from service.storage.states import ACTIVE_STUDY, LIVE_STUDY, Ending, StudyState
from service.storage.store import Store
from service.storage.trial_files import TrialFiles
from service.storage.trial_rows import (
    keep_curve,
    keep_running_curves,
    lock_held,
    read_standing,
    remove_curves,
    trial_columns,
    update_claimed,
)
from service.storage.turn import Turn
from service.storage.worker_store import WorkerStore
from studies import faults
from studies.errors import LeaseLostError, NumberTakenError
from studies.search import warm_start
from studies.sweep.ledger import Claim, Order, Outcome, Report, Setback, Standing

_MAX_MISSING = 1_000  # numbers that a statement names


class MissingFromOptunaError(LeaseLostError):
    """The study was deleted, or another program has deleted or renamed it in Optuna's tables."""

    def __init__(self, name: str) -> None:
        super().__init__(f"study '{name}' is no longer in Optuna's tables")


class TrialLedger:
    """studies.sweep.ledger.Ledger on the database, for one study and one worker."""

    def __init__(
        self,
        store: Store,
        artifacts: Artifacts,
        study: StudyRecord,
        holder: Holder,
        ended_trials: EndedTrials | None = None,
    ) -> None:
        self._store = store
        self._rdb = store.optuna
        self._ended_trials = ended_trials or EndedTrials()
        self._files = TrialFiles(artifacts, study.id, self._fenced)
        self._study = study
        self._study_id, self._parent_id = study.id, study.parent_id
        self._spec = study.parsed_spec
        self._warm_start_trials = study.warm_start_trials
        with store.reading() as session:
            optuna_id = optuna_tables.find_study(session, study.name)
        if optuna_id is None:
            raise MissingFromOptunaError(study.name)
        self._optuna_id = optuna_id
        self._optuna_trial_ids: dict[int, int] = {}  # by number
        self._opened_numbers: dict[int, int] = {}  # of trials that were opened here, by trial id
        self._last_number = -1  # the highest that was read or opened
        self._awaited = set[int]()  # numbers of other workers' trials that had not ended when last read
        self.has_claimed = False  # any trial, ever
        self._holder = holder
        self._turn = Turn(WorkerStore(store), study, holder)
        self._deadline = Deadline(store.optuna, study)
        self._invalidated_count = 0  # of the study, when last read
        self._admitted_under: int | None = None  # the max_workers that its last claims were within
        self._nothing_changed = False  # as a claim found that came just before
        self._renewed_at = -math.inf  # by the holder's clock, when a report last renewed leases

    def claim(self, count: int, *, idle: bool = True) -> list[Claim]:
        """Claim slots that nobody runs; the study starts with its first claim.

        Nothing is claimed while other workers fill the study up to its `max_workers`.

        A study that was extended meanwhile has more slots: whoever begins to sweep it anew, with its spec, claims them.

        A trial on its last attempt runs alone, on an idle worker: should it take the worker down, no other trial goes
        down with it.
        """
        self._holder.note_progress()
        self._nothing_changed = False
        if self._leaving():
            return []
        with transactions.transaction(self._rdb) as session:
            study = locking.lock_standing(session, self._study_id, self._parent_id)
            if study is None or study.state not in LIVE_STUDY or self._deadline.end_when_over(session):
                return []
            if not self._is_in_optuna(session) or not self._may_claim(session, study.max_workers):
                return []
            claims = claiming.claim_slots(session, self._spec, self._study_id, self._holder, count, idle=idle)
            if claims and study.state == StudyState.QUEUED:
                began = sa.func.coalesce(StudyRecord.started_at, unix_now())
                update = sa.update(StudyRecord).where(StudyRecord.id == self._study_id)
                session.execute(update.values(state=StudyState.RUNNING, started_at=began))
            # Here, where it costs little: most often no other worker has ended or opened a trial since.
            self._nothing_changed = study.invalidated_count == self._invalidated_count and not (
                changes.has_changed(session, self._study_id, self._last_number, self._awaited)
            )
        self.has_claimed |= bool(claims)
        faults.point("claimed")
        return claims

    def _may_claim(self, session: Session, max_workers: int | None) -> bool:
        """Return whether the study, which is locked, may have this worker among its `max_workers`."""
        if max_workers is None:
            return True
        # One that came to hold a trial under this limit is counted already: with another trial there are no more.
        if self._admitted_under == max_workers and claiming.holds_any(session, self._study_id, self._holder.name):
            return True
        has_room = self._has_room(session, max_workers)
        self._admitted_under = max_workers if has_room else None
        return has_room

    def _has_room(self, session: Session, max_workers: int | None) -> bool:
        return claiming.has_room(session, self._study.root_id, max_workers, self._holder.name)

    def _is_in_optuna(self, session: Session) -> bool:
        return optuna_tables.find_study(session, self._study.name) == self._optuna_id

    def _leaving(self) -> bool:
        return self._holder.leaving() or self._turn.is_over()

    def is_blocked(self) -> bool:
        """Return whether slots of a reproducible study wait only for other workers to end a generation."""
        if not self._spec.reproducible or self._leaving():
            return False
        waiting = (
            sa.select(StudyRecord.max_workers)
            .join(TrialRecord, TrialRecord.study_id == StudyRecord.id)
            .where(StudyRecord.id == self._study_id, claimable(), TrialRecord.slot < self._spec.budget.trials)
            .limit(1)
        )
        with self._store.reading() as session:
            row = session.execute(waiting).first()
            return row is not None and self._has_room(session, row.max_workers)

    def trials(self) -> list[FrozenTrial]:
        """All trials of the study, by number; what an earlier turn has read, and had ended, is not read again."""
        self._optuna_trial_ids, self._last_number, self._awaited = {}, -1, set()
        self._nothing_changed = False
        with self._store.reading() as session:
            self._invalidated_count = changes.invalidated_count(session, self._study_id) or 0
            kept = self._ended_trials.of(self._version)
            missing = set(range(max(kept, default=-1))) - kept.keys()
            if len(missing) > _MAX_MISSING:
                kept, missing = {}, set()
            kept |= {trial.number: trial for trial in self._read(session, max(kept, default=-1), missing)}
        trials = [kept[number] for number in sorted(kept)]
        self._know(trials)
        return trials

    def changed_trials(self) -> list[FrozenTrial]:
        """The trials that other workers opened since the last read, or that had not ended then, by number."""
        if self._nothing_changed:
            self._nothing_changed = False
            return []
        with self._store.reading() as session:
            also = self._awaited | self._failed_numbers(session)
            trials = self._read(session, self._last_number, also)
        self._know(trials)
        return trials

    @property
    def _version(self) -> Version:
        return Version(self._study_id, self._optuna_id, self._invalidated_count)

    def _read(self, session: Session, after: int, also: Set[int]) -> list[FrozenTrial]:
        trials = optuna_history.known_trials(session, self._study, self._optuna_id, after, also)
        self._ended_trials.add(self._version, trials)
        return trials

    def _know(self, trials: Sequence[FrozenTrial]) -> None:
        """Await those of the trials that have not ended."""
        self._await_numbers(max([self._last_number, *(trial.number for trial in trials)]))
        self._awaited -= {trial.number for trial in trials if trial.state.is_finished()}

    def _failed_numbers(self, session: Session) -> set[int]:
        """The numbers of all failed trials, if users have marked trials invalid since this was last read."""
        count = changes.invalidated_count(session, self._study_id)
        if count is None or count == self._invalidated_count:
            return set()
        self._invalidated_count = count
        return changes.failed_numbers(session, self._study_id)

    def warm_start_trials(self) -> list[FrozenTrial]:
        """Another study's trials, for the sampler to learn from."""
        return warm_start.trials(self._spec, self._warm_start_trials)

    def _await_numbers(self, last: int) -> None:
        """Await the trials up to this number; a reproducible study does not open numbers in their order."""
        self._awaited |= {n for n in range(self._last_number + 1, last + 1) if n not in self._optuna_trial_ids}
        self._last_number = max(self._last_number, last)

    def open(self, claim: Claim, template: FrozenTrial | None, params: Mapping[str, Any]) -> None:
        """Record a running trial with its params; a repeat, which has no template, is not told to Optuna.

        Raises NumberTakenError when another worker has opened its number.
        Raises MissingFromOptunaError when the study is no longer in Optuna's tables; then the slot is free again.
        """
        if template is None:
            with self._fenced(claim, params=params):
                return
        try:
            with self._fenced(claim, locks_study=True, number=template.number, params=params) as session:
                if not self._is_in_optuna(session):
                    raise MissingFromOptunaError(self._study.name)
                optuna_trial_id = optuna_tables.create_trial(session, self._optuna_id, template)
                shown = trial_attributes.at_opening(template, params, is_planned=claim.plan is not None)
                optuna_tables.add_user_attributes(session, optuna_trial_id, shown)
                faults.point("asked")
        except MissingFromOptunaError:
            self.hand_back(claim)
            raise
        except sa.exc.IntegrityError:
            raise NumberTakenError(f"trial {template.number} was opened by another worker") from None
        self._optuna_trial_ids[template.number] = optuna_trial_id
        self._opened_numbers[claim.trial_id] = template.number
        self._await_numbers(template.number)
        faults.point("params written")

    def report(self, reports: Sequence[Report]) -> Standing:
        """Record values and curves, in one transaction; return the lost trials and the order.

        Leases are renewed three times a lease. To learn the order alone, which every worker does several times a
        second, is one statement that writes nothing.
        """
        self._holder.note_progress()
        self._nothing_changed = False
        now = self._holder.clock()
        renews = now - self._renewed_at >= self._holder.lease_seconds / 3
        if renews or any(report.values or report.curve is not None for report in reports) or self._is_overdue():
            state, kept = self._record(reports, renews=renews)
            self._renewed_at = now if renews else self._renewed_at
        else:
            with self._store.reading() as session:
                state, kept = read_standing(session, self._study_id, [report.claim for report in reports])
        lost = frozenset(report.number for report in reports if report.claim.trial_id not in kept)
        self._awaited |= lost
        return Standing(self._order(state), lost)

    def _is_overdue(self) -> bool:
        with self._store.reading() as session:
            return self._deadline.is_over(session)

    def _record(self, reports: Sequence[Report], *, renews: bool) -> tuple[StudyState | None, Set[int]]:
        """Record reports of the trials that are still held; return the study's state and the ids of those."""
        with transactions.transaction(self._rdb) as session:
            self._deadline.end_when_over(session)
            state, kept = lock_held(session, self._study_id, [report.claim for report in reports])
            if renews:
                update = sa.update(TrialRecord).where(TrialRecord.id.in_(kept))
                session.execute(update.values(lease_expires_at=unix_now() + self._holder.lease_seconds))
            told = [report for report in reports if report.claim.trial_id in kept and report.values]
            ids = self._optuna_trial_ids_of(session, [report.number for report in told])
            values = [
                (ids[report.number], step, value)
                for report in told
                if report.number in ids
                for step, value in report.values
            ]
            optuna_tables.set_intermediate_values(session, values)
            curves = {r.claim.trial_id: r.curve for r in reports if r.curve is not None and r.claim.trial_id in kept}
            keep_running_curves(session, curves)
        return state, kept

    def _order(self, state: StudyState | None) -> Order:
        if state not in ACTIVE_STUDY:
            return Order.END
        return Order.HAND_BACK if state == StudyState.PAUSED or self._leaving() else Order.GO_ON

    def keep_checkpoint(self, claim: Claim, number: int, state: Path) -> None:
        """Keep the training state of a trial, and remove the one kept before."""
        self._files.keep_checkpoint(claim, number, state)

    def checkpoint(self, claim: Claim) -> bytes | None:
        """The training state that an earlier attempt kept; None when there is none."""
        return self._files.checkpoint(claim)

    def keep_model(self, claim: Claim, number: int, model: Path) -> None:
        """Keep the model of the best trial so far; the record points to it once it is there."""
        self._files.keep_model(claim, number, model)
        faults.point("model written")

    def close(self, claim: Claim, number: int, outcome: Outcome) -> None:
        """Tell the trial and record its results; remove the models that its own makes too many."""
        surplus: list[str] = []
        with self._fenced(claim, locks_study=True, ended=True, **trial_columns(outcome)) as session:
            attempts.record_ending(session, claim.trial_id, claim.attempt, Ending.TOLD, None)
            if outcome.result is not None:
                keep_curve(session, claim.trial_id, outcome.result)
            else:
                remove_curves(session, [claim.trial_id])
            failed = outcome.state == OptunaState.FAIL
            if failed or not comparisons.goes_on(session, self._study_id):
                study = session.get_one(StudyRecord, self._study_id)
                comparisons.end_when_done(session, self._rdb, study, failed=failed)
            if self._files.has_model(claim):
                surplus = kept_models.drop_surplus(session, self._study_id, self._spec.directions)
            if not claim.is_repeat and (ids := self._optuna_trial_ids_of(session, [number])):
                self._tell_optuna(session, ids[number], outcome)
            faults.point("before the tell commits")
        faults.point("after the tell commits")
        self._files.close(claim, surplus)

    def _tell_optuna(self, session: Session, optuna_trial_id: int, outcome: Outcome) -> None:
        steps = [(optuna_trial_id, step, value) for step, value in outcome.unreported]
        optuna_tables.set_intermediate_values(session, steps)
        optuna_tables.add_system_attributes(session, optuna_trial_id, outcome.attributes)
        shown = trial_attributes.at_end(outcome, self._spec.objectives)
        optuna_tables.add_user_attributes(session, optuna_trial_id, shown)
        optuna_tables.finish_trial(session, optuna_trial_id, outcome.state, outcome.values)

    def end_attempt(self, claim: Claim, number: int, setback: Setback, reason: str) -> None:
        """End an attempt that gave nothing; the trial waits for another, or is told FAIL after its last."""
        with self._fenced(claim, locks_study=True) as session:
            attempts.end_attempts(session, self._rdb, TrialRecord.id == claim.trial_id, Ending(setback), reason)
        self._awaited.add(number)

    def hand_back(self, claim: Claim) -> None:
        """Free the slot for another worker, without counting the attempt."""
        with self._fenced(claim, locks_study=True) as session:
            attempts.hand_back(session, self._rdb, TrialRecord.id == claim.trial_id)

    def _optuna_trial_ids_of(self, session: Session, numbers: Sequence[int]) -> dict[int, int]:
        """Optuna's ids of those of these trials that it still has."""
        for number in numbers:
            if number not in self._optuna_trial_ids:
                optuna_trial_id = optuna_tables.find_trial(session, self._optuna_id, number)
                if optuna_trial_id is not None:
                    self._optuna_trial_ids[number] = optuna_trial_id
        ids = {number: self._optuna_trial_ids[number] for number in numbers if number in self._optuna_trial_ids}
        there = optuna_tables.trials_still_there(session, self._optuna_id, self._study.name, ids.values())
        return {number: optuna_trial_id for number, optuna_trial_id in ids.items() if optuna_trial_id in there}

    @contextmanager
    def _fenced(
        self, claim: Claim, *, locks_study: bool = False, ended: bool = False, **columns: Any
    ) -> Iterator[Session]:
        """A transaction that begins by changing the claim's row, with the moment of its end if it has `ended`.

        With `locks_study` it locks the study first. A change of a trial's state that users see is numbered under this
        lock; and of two workers that close the last trials at once, each would see the other's still open, and neither
        would end the study.

        Raises LeaseLostError when the claim is no longer held.
        """
        self._holder.note_progress()
        self._nothing_changed = False
        with transactions.transaction(self._rdb) as session:
            if locks_study:
                locking.hold_standing(session, self._study_id, self._parent_id)
            if not update_claimed(session, claim, columns or {"token": claim.token}, ended=ended):
                number = self._opened_numbers.get(claim.trial_id) if claim.number is None else claim.number
                self._awaited |= set() if number is None else {number}
                raise LeaseLostError("another worker runs this trial now, or its study was deleted")
            yield session
