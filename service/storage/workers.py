"""Workers as they show themselves: what each does now, and how much they get done together.

A worker that died is gone when nobody has seen it for its lease; only its leases of trials, which the reaper watches,
decide what becomes of its work. Who is seen decides no more than who watches those leases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from service.storage.clock import unix_now
from service.storage.offers import Offer
from service.storage.progress import Overall
from service.storage.records import StudyRecord, TrialRecord, WorkerRecord, running
from service.storage.states import ACTIVE_COMPARISON, LIVE_STUDY, UNSTARTED, Activity, ComparisonState

_KEPT_SECONDS = 3600.0  # rows of workers that are gone
_RATE_SECONDS = 60.0
#: Of workers whose heart does not beat: they load TensorFlow, or Ray's fleet shows them, for they have no process.
_BEATLESS = frozenset({Activity.LOADING_TENSORFLOW, *UNSTARTED})
_WATCHERS = 3  # of all leases; that all die at once costs their leases' length once more


def show(
    session: Session,
    name: str,
    activity: Activity,
    study_id: int | None,
    seconds: float,
    memory_bytes: int | None,
    offer: Offer | None = None,
) -> None:
    """Record what a worker does and offers; it counts as alive for so many seconds. Remove those that are long gone."""
    seen = {"seen_at": unix_now(), "expires_at": unix_now() + seconds, "memory_bytes": memory_bytes}
    values = {"activity": activity, "study_id": study_id, **seen, **asdict(offer or Offer())}
    update = sa.update(WorkerRecord).where(WorkerRecord.name == name).values(values)
    if not session.execute(update.returning(WorkerRecord.name)).all():
        session.execute(sa.insert(WorkerRecord).values(name=name, started_at=unix_now(), **values))
        session.execute(sa.delete(WorkerRecord).where(WorkerRecord.expires_at < unix_now() - _KEPT_SECONDS))


def remove(session: Session, name: str) -> None:
    """Remove a worker that has ended."""
    session.execute(sa.delete(WorkerRecord).where(WorkerRecord.name == name))


def watches_leases(session: Session, name: str) -> bool:
    """Return whether a worker is to watch all leases: it is one of the three oldest that live, or fewer are known.

    If each of a thousand watched, every lease would be read a thousand times. On SQLite each does, for there a row
    holds the time of its worker's own clock, by which one that died may seem to live.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    beats = WorkerRecord.expires_at > unix_now(), WorkerRecord.activity.not_in(_BEATLESS)
    oldest = sa.select(WorkerRecord.name).where(*beats).order_by(WorkerRecord.started_at, WorkerRecord.name)
    watchers = session.scalars(oldest.limit(_WATCHERS)).all()
    return len(watchers) < _WATCHERS or name in watchers


def marks(session: Session) -> list[tuple[str, Activity, int | None]]:
    """Name, activity and study of each worker that is alive, in a tenth of the time that `alive` takes."""
    query = sa.select(WorkerRecord.name, WorkerRecord.activity, WorkerRecord.study_id)
    query = query.where(WorkerRecord.expires_at > unix_now()).order_by(WorkerRecord.name)
    return [(name, activity, study_id) for name, activity, study_id in session.execute(query)]


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker that is alive."""

    name: str
    activity: Activity
    study: str | None  # that it serves
    study_id: int | None
    root_id: int | None  # the study whose comparison that one is a part of, else the same
    started_at: float
    seen_at: float
    offer: Offer
    only_id: int | None = None  # the study of offer.only_study; None also where that is not there, or not to be seen

    def may_serve(self, root_id: int) -> bool:
        """Return whether it would serve a study with its comparison, if it offers enough."""
        return self.offer.only_study is None or self.only_id == root_id


def alive(session: Session) -> list[Seen]:
    """The workers that are alive, the oldest first."""
    only = aliased(StudyRecord)
    # Every view of a study reads all of them: a thousand records would take longer to make than all else of it.
    query = (
        sa.select(
            WorkerRecord.name,
            WorkerRecord.activity,
            StudyRecord.name,
            StudyRecord.id,
            sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id),
            WorkerRecord.started_at,
            WorkerRecord.seen_at,
            WorkerRecord.cpus,
            WorkerRecord.gpus,
            WorkerRecord.memory,
            WorkerRecord.node,
            WorkerRecord.fleet,
            WorkerRecord.only_study,
            only.id,
        )
        .outerjoin(StudyRecord, StudyRecord.id == WorkerRecord.study_id)
        .outerjoin(only, only.name == WorkerRecord.only_study)
        .where(WorkerRecord.expires_at > unix_now())
        .order_by(WorkerRecord.started_at, WorkerRecord.name)
    )
    return [
        Seen(
            name, activity, study, study_id, root_id, started_at, seen_at,
            Offer(cpus, gpus, memory, node, fleet, only_study), only_id,
        )
        for (
            name, activity, study, study_id, root_id, started_at, seen_at,
            cpus, gpus, memory, node, fleet, only_study, only_id,
        ) in session.execute(query)
    ]  # fmt: skip


def silent_seconds(session: Session) -> list[float]:
    """The seconds since the last sign of life of each worker that is alive and has a process."""
    silent = sa.select(unix_now() - WorkerRecord.seen_at).where(WorkerRecord.expires_at > unix_now())
    silent = silent.where(WorkerRecord.activity.not_in(UNSTARTED))
    return [max(0.0, seconds) for seconds in session.scalars(silent)]


def running_by_worker(session: Session) -> Counter[str]:
    """The number of trials that each worker holds, of the studies that may be seen."""
    query = sa.select(TrialRecord.worker, sa.func.count()).join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
    query = query.where(running()).group_by(TrialRecord.worker)
    return Counter({worker: count for worker, count in session.execute(query) if worker is not None})


def trials_a_minute(session: Session) -> float:
    """The number of trials that ended in the last minute, of the studies that may be seen."""
    ended = TrialRecord.ended_at > unix_now() - _RATE_SECONDS
    count = sa.select(sa.func.count()).select_from(TrialRecord)
    return float(session.scalar(count.join(StudyRecord, StudyRecord.id == TrialRecord.study_id).where(ended)) or 0)


def activities(
    workers: Sequence[Seen], studies: Sequence[StudyRecord], overall: Mapping[int, Overall]
) -> dict[int, str | None]:
    """What these workers do now for each study, in a word or two, by its id; None where none serves it."""
    return {study.id: _describe(study, overall[study.id], workers) for study in studies}


def _describe(study: StudyRecord, overall: Overall, workers: Sequence[Seen]) -> str | None:
    awaits = study.state in LIVE_STUDY or study.comparison_state in ACTIVE_COMPARISON
    if not awaits and overall.done == overall.trials:
        # A worker says a moment later that it has left the study; a result is published when all has ended.
        workers = [worker for worker in workers if worker.activity == Activity.PUBLISHING]
    serving = {worker.activity for worker in workers if study.id in (worker.study_id, worker.root_id)}
    if Activity.TRAINING in serving:
        confirms = study.comparison_state == ComparisonState.CONFIRMING
        return "confirming" if confirms else f"search {overall.done}/{overall.trials}"
    for activity in (Activity.COMPILING, Activity.LOADING_DATA, Activity.PUBLISHING):
        if activity in serving:
            return activity
    if not awaits:
        return None
    doing = {worker.activity for worker in workers}
    for activity in (Activity.CANNOT_START, Activity.WAITING_FOR_NODE):
        if activity in doing and doing <= UNSTARTED:
            return activity
    starts = Activity.LOADING_TENSORFLOW in doing and doing <= {Activity.LOADING_TENSORFLOW, Activity.WAITING_FOR_NODE}
    return Activity.LOADING_TENSORFLOW if starts else None
