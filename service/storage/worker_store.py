"""Queries of workers, beside the ledger of the study they sweep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import aliased

from service.storage import attempts, comparisons, database_errors, locking, scheduling, transactions, workers
from service.storage.clock import unix_now
from service.storage.offers import Offer
from service.storage.records import StudyRecord, TrialRecord, held_by, running, running_in_study, unpublished
from service.storage.states import Activity, Ending, StudyState
from service.storage.store import Store

_log = structlog.get_logger(__name__)
_TRIES = 3  # to begin a turn, where other workers come first each time
_PUBLISHING_SECONDS = 600.0  # after which another worker may publish a study

#: Token and end of a lease; each renewal changes the end.
Lease = tuple[str, float]


class WorkerStore:
    """Studies and trials as workers read and change them. Every method is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Scheduling

    def next_study(
        self,
        only: str | None = None,
        worker: str = "",
        serving: int | None = None,
        without: Collection[int] = (),
        offer: Offer | None = None,
    ) -> StudyRecord | None:
        """The next study for a worker; see scheduling.next_study."""
        with self._store.reading() as session:
            return scheduling.next_study(session, only, worker, serving, without, offer)

    def begin_turn(self, study: StudyRecord, worker: str = "") -> bool:
        """Record that a worker begins to serve a study now; see scheduling.begin_turn."""
        with self._store.writing() as session:
            return scheduling.begin_turn(session, study, worker)

    def take_up(
        self, only: str | None, worker: str, without: Collection[int], offer: Offer | None
    ) -> StudyRecord | None:
        """Begin a worker's turn at its next study, and return that; None when there is none for it now."""
        for _ in range(_TRIES):
            study = self.next_study(only, worker, without=without, offer=offer)
            if study is None or self.begin_turn(study, worker):
                return study
        return None

    def record_engine(self, study_id: int, engine: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Record the engine that trains a study, and the facts of its data."""
        update = sa.update(StudyRecord).where(StudyRecord.id == study_id)
        with self._store.writing() as session:
            session.execute(update.values(engine=dict(engine), facts=dict(facts)))

    def fail_study(self, study_id: int, reason: str, worker: str) -> None:
        """End a study that cannot be run at all, and the attempts of this worker."""
        with transactions.transaction(self._store.optuna) as session:
            study = locking.lock_study(session, study_id)
            if study is not None:
                comparisons.end(session, self._store.optuna, study, StudyState.FAILED, reason)
        if study is not None:
            self.end_attempts(worker, Ending.FAILED, reason)

    # Leases

    def renew(self, worker: str, lease_seconds: float) -> int:
        """Renew every lease of a worker; return their number."""
        with self._store.writing() as session:
            ids = [trial_id for trial_id, _ in locking.lock_trials(session, held_by(worker))]
            if not ids:
                return 0
            update = sa.update(TrialRecord).where(TrialRecord.id.in_(ids))
            session.execute(update.values(lease_expires_at=unix_now() + lease_seconds))
            return len(ids)

    def hand_back(self, worker: str) -> int:
        """Release every trial of a worker, without counting the attempts; return their number."""
        return self._free(TrialRecord.worker == worker, attempts.hand_back)

    def end_attempts(self, worker: str, ending: Ending, reason: str) -> int:
        """End every attempt of a worker; return their number."""
        return self._free(TrialRecord.worker == worker, partial(attempts.end_attempts, ending=ending, reason=reason))

    def watches_leases(self, worker: str) -> bool:
        """Return whether a worker is to watch all leases; see workers.watches_leases."""
        with self._store.reading() as session:
            return workers.watches_leases(session, worker)

    def leases(self) -> dict[int, Lease]:
        """Every lease, by its trial."""
        query = sa.select(TrialRecord.id, TrialRecord.token, TrialRecord.lease_expires_at).where(running())
        with self._store.reading() as session:
            return {row.id: (row.token, row.lease_expires_at) for row in session.execute(query)}

    def reap(self, lost: Mapping[int, Lease], lease_seconds: float) -> int:
        """End the attempts whose lease is still this one, that is, was not renewed; return their number."""
        lease = sa.tuple_(TrialRecord.id, TrialRecord.token, TrialRecord.lease_expires_at)
        unchanged = lease.in_([(trial_id, *seen) for trial_id, seen in lost.items()])
        reason = f"its worker gave no sign of life for {lease_seconds:g} seconds"
        return self._free(unchanged, partial(attempts.end_attempts, ending=Ending.LOST, reason=reason))

    def _free(self, which: sa.ColumnElement[bool], free: Callable[..., int]) -> int:
        """Free running trials in one transaction; should that fail, each in its own: one keeps none of the others.

        Raises what the database raised where another try may do: then it would raise the same for every trial.
        """
        try:
            with transactions.transaction(self._store.optuna) as session:
                return free(session, self._store.optuna, which)
        except Exception as error:
            if database_errors.may_pass(error):
                raise
            _log.exception("trials are freed one by one, for one of them cannot be")
        with self._store.reading() as session:
            ids = session.scalars(sa.select(TrialRecord.id).where(running(), which).order_by(TrialRecord.id)).all()
        return sum(self._free_one(trial_id, which, free) for trial_id in ids)

    def _free_one(self, trial_id: int, which: sa.ColumnElement[bool], free: Callable[..., int]) -> int:
        try:
            with transactions.transaction(self._store.optuna) as session:
                return free(session, self._store.optuna, sa.and_(which, TrialRecord.id == trial_id))
        except Exception as error:
            if database_errors.may_pass(error):
                raise
            _log.exception("a trial cannot be freed", trial=trial_id)
            return 0

    # Showing what workers do

    def show_worker(
        self,
        name: str,
        activity: Activity,
        study_id: int | None,
        seconds: float,
        memory_bytes: int | None = None,
        offer: Offer | None = None,
    ) -> None:
        """Record what a worker does and offers; see workers.show."""
        with self._store.writing() as session:
            workers.show(session, name, activity, study_id, seconds, memory_bytes, offer)

    def remove_worker(self, name: str) -> None:
        """Remove a worker that has ended."""
        with self._store.writing() as session:
            workers.remove(session, name)

    # Publishing

    def claim_unpublished(self, only: str | None = None) -> StudyRecord | None:
        """Claim one ended study (or the one named) whose report is not published; the claim expires after 10 minutes.

        Nothing of the study runs any more, so its checkpoints may be removed.
        """
        expired = StudyRecord.publishing_at < unix_now() - _PUBLISHING_SECONDS
        unclaimed = sa.or_(StudyRecord.publishing_at.is_(None), expired)
        member = aliased(StudyRecord)
        together = sa.or_(member.id == StudyRecord.id, member.parent_id == StudyRecord.id)
        still_running = sa.exists().where(together, TrialRecord.study_id == member.id, running_in_study())
        query = sa.select(StudyRecord.id).where(unpublished(), unclaimed, ~still_running)
        if only is not None:
            query = query.where(StudyRecord.name == only)
        with self._store.reading() as session:
            # In the order of their ids PostgreSQL would read all studies that ever ended.
            oldest = min(session.scalars(query), default=None)
            study = None if oldest is None else session.get(StudyRecord, oldest)
        if study is None:
            return None
        # The study may have been claimed, or have been extended, since it was read.
        still = StudyRecord.id == study.id, unpublished(), unclaimed
        claim = sa.update(StudyRecord).where(*still).values(publishing_at=unix_now())
        with self._store.writing() as session:
            claimed = session.execute(claim.returning(StudyRecord.id)).all()
        return study if claimed else None

    def exists(self, study: StudyRecord) -> bool:
        """Return whether a study that was read is still there; another may have its name."""
        with self._store.reading() as session:
            return session.get(StudyRecord, study.id) is not None

    def set_published(self, study: StudyRecord, answer: str | None = None) -> None:
        """Mark a study published, with its comparison's answer if there is a new one; release the claim.

        Unless the study or its comparison changed since `study` was read: then it is published anew.
        """
        unchanged = sa.and_(
            StudyRecord.comparison_state.is_not_distinct_from(study.comparison_state),
            StudyRecord.ended_at.is_not_distinct_from(study.ended_at),  # another one, or none, once it was extended
            StudyRecord.invalidated_count == study.invalidated_count,
        )
        update = sa.update(StudyRecord).where(StudyRecord.id == study.id)
        with self._store.writing() as session:
            answer_column = sa.func.coalesce(answer, StudyRecord.answer)
            session.execute(update.where(unchanged).values(published=True, answer=answer_column))
            session.execute(update.values(publishing_at=None))

    def ids_with_parts(self, study: StudyRecord) -> list[int]:
        """The ids of a study and of its comparison's parts."""
        with self._store.reading() as session:
            return [study.id, *(part.id for part in comparisons.parts(session, study))]
