"""Which studies are logged to a tracker, how far, and by which process."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.following import changed_trials
from service.storage.records import CurveRecord, StudyRecord, TrackedRecord, TrialRecord, running_in_study
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY
from service.storage.store import Store

LEASE_SECONDS = 60.0  # more than anything takes that a tracker is asked at once
RESULT_LEASE_SECONDS = 300.0  # while its report is made, and its model sent
PAUSE_SECONDS = 2.0
#: Seconds until a tracker that failed is tried again, doubled after each further failure.
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 5.0, 300.0
_BATCH = 100
_MAX_NEW = 1000
_OVERLAP = 100  # ids that are looked at again: one may be committed behind a higher one
_MAX_PROBLEM = 500
_NEW_SECONDS = 3600.0  # a study may have ended before this process looks for the first time


@dataclass(frozen=True, slots=True)
class Held:
    """A study that a process may log now."""

    study_id: int
    name: str
    positions: Mapping[str, int]
    failures: int
    is_new: bool  # to this process: another one may have logged it meanwhile


class TrackedStore:
    """The studies of one tracker. Every method is one transaction."""

    def __init__(self, store: Store, tracker: str, holder: str) -> None:
        self._store, self._tracker, self._holder = store, tracker, holder
        self._seen = 0  # the highest id of a study that was looked at
        self._since: float | None = None

    def adopt(self, *, every: bool) -> None:
        """Take up studies that ask for this tracker; with `every` also those not ended, or of the last hour."""
        with self._store.reading() as session:
            now = _now(session)
            self._since = self._since or now - _NEW_SECONDS
            new = session.execute(_select_new(max(0, self._seen - _OVERLAP))).all()
            wanted = {row.id for row in new if self._asks(row) or (every and row.created_at > self._since)}
            wanted -= self._known(session, wanted)
            if every:
                wanted |= set(session.scalars(_select_live(self._tracker)))
        if wanted:
            with self._store.writing() as session:
                there = set(session.scalars(sa.select(StudyRecord.id).where(StudyRecord.id.in_(wanted))))
                for study_id in sorted(there - self._known(session, wanted)):
                    session.add(TrackedRecord(study_id=study_id, tracker=self._tracker, positions={}, next_at=now))
        if new:
            self._seen = max(self._seen, new[-1].id)

    def _known(self, session: Session, study_ids: Collection[int]) -> set[int]:
        known = sa.select(TrackedRecord.study_id).where(TrackedRecord.tracker == self._tracker)
        return set(session.scalars(known.where(TrackedRecord.study_id.in_(study_ids))))

    def _asks(self, study: Any) -> bool:
        return f'"{self._tracker}"' in (study.loggers or "")

    def hold(self) -> list[Held]:
        """Hold the studies that are due; each is this process' until its lease ends."""
        with self._store.reading() as session:  # most looks find nothing, and need no write lock
            if not session.scalars(self._due(session).limit(1)).all():
                return []
        with self._store.writing() as session:
            due = self._due(session).limit(_BATCH).with_for_update(skip_locked=True, of=TrackedRecord)
            return [self._take(session, record, _now(session)) for record in session.scalars(due).all()]

    def _due(self, session: Session) -> sa.Select[TrackedRecord]:
        """Studies that are not logged whole, or have changed since; of another process only behind its lease."""
        now = _now(session)
        part = sa.orm.aliased(StudyRecord)
        newer_part = sa.exists().where(part.parent_id == StudyRecord.id, part.ended_at > TrackedRecord.done_at)
        changed = sa.or_(
            TrackedRecord.done_at.is_(None),
            StudyRecord.state.in_(ACTIVE_STUDY),
            StudyRecord.comparison_state.in_(ACTIVE_COMPARISON),
            StudyRecord.ended_at > TrackedRecord.done_at,
            StudyRecord.invalidated_count != TrackedRecord.invalidated_count,
            newer_part,
        )
        query = sa.select(TrackedRecord).join(StudyRecord, StudyRecord.id == TrackedRecord.study_id)
        due = TrackedRecord.tracker == self._tracker, TrackedRecord.next_at <= now
        return query.where(*due, self._mine(now), changed).order_by(TrackedRecord.next_at)

    def _mine(self, now: float) -> sa.ColumnElement[bool]:
        """Studies that this process holds, or may: no other does, or its lease has long ended."""
        return sa.or_(
            TrackedRecord.holder.is_(None),
            TrackedRecord.holder == self._holder,
            TrackedRecord.next_at <= now - LEASE_SECONDS,
        )

    def _take(self, session: Session, record: TrackedRecord, now: float) -> Held:
        study = session.get_one(StudyRecord, record.study_id)
        is_new = record.holder != self._holder
        record.holder, record.next_at = self._holder, now + LEASE_SECONDS
        return Held(record.study_id, study.name, dict(record.positions), record.failures, is_new)

    def parts(self, held: Held) -> Sequence[StudyRecord]:
        """The study and the parts of its comparison."""
        both = sa.or_(StudyRecord.id == held.study_id, StudyRecord.parent_id == held.study_id)
        with self._store.reading() as session:
            return session.scalars(sa.select(StudyRecord).where(both).order_by(StudyRecord.id)).all()

    def has_news(self, positions: Mapping[str, int]) -> bool:
        """Whether a trial of these studies has changed since, or runs."""
        of_study = [TrialRecord.study_id == int(study_id) for study_id in positions]
        changed = [sa.and_(TrialRecord.study_id == int(id_), TrialRecord.changed > at) for id_, at in positions.items()]
        running = [sa.and_(here, running_in_study()) for here in of_study]
        with self._store.reading() as session:
            return any(session.scalar(sa.select(sa.exists().where(each))) for each in (*changed, *running))

    def changed(self, study_id: int, after: int) -> Sequence[TrialRecord]:
        """Trials whose state has changed since, in the order of their changes; not all at once."""
        with self._store.reading() as session:
            return changed_trials(session, study_id, after, _BATCH)

    def running(self, study_id: int) -> Sequence[TrialRecord]:
        """Trials that run and have a curve."""
        query = sa.select(TrialRecord).join(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
        here = TrialRecord.study_id == study_id, TrialRecord.number.is_not(None), running_in_study()
        with self._store.reading() as session:
            return session.scalars(query.where(*here)).all()

    def renew(self, held: Held, positions: Mapping[str, int], seconds: float = LEASE_SECONDS) -> bool:
        """Keep how far a study is logged, and hold it longer; return whether it is still held."""
        return self._update(held, positions=dict(positions), next_at=unix_now() + seconds)

    def succeed(self, held: Held, positions: Mapping[str, int], invalidated_count: int, *, is_done: bool) -> None:
        """Record that all there is now is logged."""
        self._update(
            held,
            positions=dict(positions),
            next_at=unix_now() + PAUSE_SECONDS,
            failures=0,
            problem=None,
            logged_at=unix_now(),
            done_at=unix_now() if is_done else None,
            invalidated_count=invalidated_count,
        )

    def fail(self, held: Held, problem: str) -> float:
        """Record why a study could not be logged; return after how many seconds it is tried again."""
        pause = float(min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(held.failures, 10)))
        problem = problem[:_MAX_PROBLEM]
        # Without a holder: whatever this process knew of the runs is read anew.
        self._update(held, next_at=unix_now() + pause, failures=held.failures + 1, problem=problem, holder=None)
        return pause

    def abandon(self, problem: str) -> None:
        """Record that the process died that holds studies, or would: they say so, and the next process has them."""
        with self._store.writing() as session:
            now = _now(session)
            update = sa.update(TrackedRecord).where(TrackedRecord.tracker == self._tracker)
            update = update.where(TrackedRecord.done_at.is_(None), self._mine(now))
            next_at = sa.case((TrackedRecord.holder.is_(None), TrackedRecord.next_at), else_=now)
            told = {"problem": problem[:_MAX_PROBLEM], "failures": TrackedRecord.failures + 1}
            session.execute(update.values(**told, next_at=next_at, holder=None))

    def release(self) -> None:
        """Hold nothing any more."""
        mine = TrackedRecord.tracker == self._tracker, TrackedRecord.holder == self._holder
        with self._store.writing() as session:
            session.execute(sa.update(TrackedRecord).where(*mine).values(holder=None, next_at=unix_now()))

    def _update(self, held: Held, **values: object) -> bool:
        mine = TrackedRecord.study_id == held.study_id, TrackedRecord.tracker == self._tracker
        update = sa.update(TrackedRecord).where(*mine, TrackedRecord.holder == self._holder)
        with self._store.writing() as session:
            return session.connection().execute(update.values(values)).rowcount == 1


def _select_new(after: int) -> sa.Select[Any]:
    """Studies behind an id, without their specs, which may have 2 MB."""
    columns = StudyRecord.id, StudyRecord.created_at
    loggers = StudyRecord.spec["loggers"].as_string().label("loggers")
    top = StudyRecord.id > after, StudyRecord.parent_id.is_(None)
    return sa.select(*columns, loggers).where(*top).order_by(StudyRecord.id).limit(_MAX_NEW)


def _select_live(tracker: str) -> sa.Select[int]:
    """Studies that have not ended, or that began again, and that nobody logs to a tracker."""
    known = sa.exists().where(TrackedRecord.study_id == StudyRecord.id, TrackedRecord.tracker == tracker)
    is_live = sa.or_(StudyRecord.state.in_(ACTIVE_STUDY), StudyRecord.comparison_state.in_(ACTIVE_COMPARISON))
    return sa.select(StudyRecord.id).where(is_live, StudyRecord.parent_id.is_(None), ~known).limit(_MAX_NEW)


def of_studies(session: Session, study_ids: Sequence[int]) -> Mapping[int, list[TrackedRecord]]:
    """How far studies are logged, by their ids."""
    query = sa.select(TrackedRecord).where(TrackedRecord.study_id.in_(study_ids)).order_by(TrackedRecord.tracker)
    found: dict[int, list[TrackedRecord]] = {}
    for record in session.scalars(query):
        found.setdefault(record.study_id, []).append(record)
    return found


def _now(session: Session) -> float:
    return session.scalar(sa.select(unix_now())) or 0.0
