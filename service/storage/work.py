"""What operators measure: the work that waits and runs now, and what ended since they last asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.offers import enough_for_study
from service.storage.records import (
    AttemptRecord,
    StudyRecord,
    TrialRecord,
    WorkerRecord,
    claimable,
    gave_nothing,
    running,
)
from service.storage.states import LIVE_STUDY, UNSTARTED, Activity, Ending, StudyState, TrialState
from studies.spec.resampling import Resampling


class WorkerNow(NamedTuple):
    """A worker that is alive."""

    activity: Activity
    silent_seconds: float  # since its last sign of life
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class WorkNow:
    """The work at one moment."""

    studies: dict[StudyState, int]  # without the parts of comparisons
    waiting: int  # trials that a worker could claim
    unserved: int  # studies whose trials wait, and that no worker which is alive offers enough for
    running: Counter[str]  # trials, by engine
    lanes: int  # of the programs that workers train with
    lanes_in_use: int
    workers: list[WorkerNow]


class EndedTrial(NamedTuple):
    """A trial that has ended."""

    id: int
    study_id: int
    state: TrialState
    ended_at: float
    seconds: float | None  # of its last attempt


class LostAttempt(NamedTuple):
    """An attempt that ended without its trial."""

    trial_id: int
    attempt: int
    ending: Ending
    ended_at: float
    reason: str | None


class _Engine(NamedTuple):
    name: str
    lanes: int
    fits: int  # trainings of a trial, each in a lane


_NO_ENGINE = _Engine("none", 1, 1)


def now(session: Session) -> float:
    """The database's clock."""
    return float(session.scalar(sa.select(unix_now())) or 0.0)


def work_now(session: Session) -> WorkNow:
    """Count the work; every statement reads an index, however many studies and trials have ended."""
    # Grouped and not filtered, or SQLite reads the index of parents and then every study's row.
    by_state = sa.select(StudyRecord.state, is_root := StudyRecord.parent_id.is_(None), sa.func.count())
    rows = session.execute(by_state.group_by(StudyRecord.state, is_root))
    studies = {state: count for state, is_whole, count in rows if is_whole}
    of_study = StudyRecord.id == TrialRecord.study_id
    waiting = sa.select(sa.func.count()).select_from(TrialRecord).join(StudyRecord, of_study).where(claimable())
    # Grouped here, or SQLite reads the index of all trials by their studies.
    held = Counter(session.execute(sa.select(TrialRecord.study_id, TrialRecord.worker).where(running())).all())
    engines = _engines(session, {study_id for study_id, _ in held})
    running_trials, lanes, in_use = Counter[str](), 0, 0
    for (study_id, _), count in held.items():
        engine = engines.get(study_id, _NO_ENGINE)
        running_trials[engine.name] += count
        lanes += engine.lanes
        in_use += min(engine.lanes, count * engine.fits)
    waits = session.scalar(waiting) or 0
    return WorkNow(studies, waits, _unserved(session), running_trials, lanes, in_use, _workers(session))


def _unserved(session: Session) -> int:
    has_work = sa.exists().where(TrialRecord.study_id == StudyRecord.id, claimable())
    started = WorkerRecord.activity.not_in(UNSTARTED)
    enough = sa.exists().where(WorkerRecord.expires_at > unix_now(), started, enough_for_study())
    root_id = sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id)
    query = sa.select(sa.func.count(root_id.distinct())).where(StudyRecord.state.in_(LIVE_STUDY), has_work, ~enough)
    return session.scalar(query) or 0


def _engines(session: Session, study_ids: Collection[int]) -> dict[int, _Engine]:
    query = sa.select(StudyRecord.id, StudyRecord.engine, StudyRecord.spec["resampling"]).where(
        StudyRecord.id.in_(study_ids), StudyRecord.engine.is_not(None)
    )
    return {
        study_id: _Engine(engine["engine"], engine["lanes"], Resampling.model_validate(resampling).fits)
        for study_id, engine, resampling in session.execute(query)
    }


def engine_names(session: Session, study_ids: Collection[int]) -> dict[int, str]:
    """The engine of each study that has one."""
    name = StudyRecord.engine["engine"].as_string()
    query = sa.select(StudyRecord.id, name).where(StudyRecord.id.in_(study_ids), StudyRecord.engine.is_not(None))
    return {row[0]: row[1] for row in session.execute(query)}


def _workers(session: Session) -> list[WorkerNow]:
    silent = unix_now() - WorkerRecord.seen_at
    query = sa.select(WorkerRecord.activity, silent, WorkerRecord.memory_bytes)
    rows = session.execute(query.where(WorkerRecord.expires_at > unix_now()))
    return [WorkerNow(activity, max(0.0, seconds), memory) for activity, seconds, memory in rows]


def trials_ended_after(session: Session, instant: float, limit: int) -> list[EndedTrial]:
    """The trials that ended after an instant, oldest first."""
    seconds = TrialRecord.ended_at - AttemptRecord.started_at
    last_attempt = sa.and_(AttemptRecord.trial_id == TrialRecord.id, AttemptRecord.attempt == TrialRecord.attempt)
    query = (
        sa.select(TrialRecord.id, TrialRecord.study_id, TrialRecord.state, TrialRecord.ended_at, seconds)
        .outerjoin(AttemptRecord, last_attempt)
        .where(TrialRecord.ended_at.is_not(None), TrialRecord.ended_at > instant)
        .order_by(TrialRecord.ended_at)
        .limit(limit)
    )
    return [EndedTrial(*row) for row in session.execute(query)]  # type: ignore[arg-type]  # it has an end


def attempts_lost_after(session: Session, instant: float, limit: int) -> list[LostAttempt]:
    """The attempts that ended without their trial after an instant, oldest first."""
    columns = (
        AttemptRecord.trial_id,
        AttemptRecord.attempt,
        AttemptRecord.ending,
        AttemptRecord.ended_at,
        AttemptRecord.reason,
    )
    query = sa.select(*columns).where(gave_nothing(), AttemptRecord.ended_at > instant)
    rows = session.execute(query.order_by(AttemptRecord.ended_at).limit(limit))
    return [LostAttempt(*row) for row in rows]  # type: ignore[arg-type]  # it has an end
