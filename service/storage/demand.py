"""What the studies that have not ended ask of workers, for who starts them."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, LIVE_STUDY, OPEN_TRIAL
from studies.spec.resampling import Resampling
from studies.spec.resources import Resources

_UNKNOWN_LANES = 8  # of a study that no worker has begun and that names none
_REPRODUCIBLE_WORKERS = 2  # have work with the lanes full, see studies.search.generations


@dataclass(frozen=True, slots=True)
class Demand:
    """What one study, with its comparison, asks of workers."""

    trials: int  # that are open: waiting or running
    at_once: int  # trials that a worker trains at once
    resources: Resources = field(default_factory=Resources)
    max_workers: int | None = None


def read(session: Session) -> list[Demand]:
    """Read what each live study asks for, the highest priority first; a study's parts each ask for themselves.

    Where a report is to be published and nothing else is asked for, that asks for one worker.
    """
    spec, engine = StudyRecord.spec, StudyRecord.engine
    open_trials = (
        sa.select(TrialRecord.study_id, sa.func.count().label("trials"))
        .join(StudyRecord, StudyRecord.id == TrialRecord.study_id)
        .where(StudyRecord.state.in_(LIVE_STUDY), TrialRecord.state.in_(OPEN_TRIAL))
        .group_by(TrialRecord.study_id)
        .subquery()
    )
    query = (
        sa.select(
            open_trials.c.trials,
            spec["resampling"],
            sa.func.coalesce(engine["lanes"].as_integer(), spec["training"]["lanes"].as_integer(), _UNKNOWN_LANES),
            spec["reproducible"].as_boolean(),
        )
        .join(open_trials, open_trials.c.study_id == StudyRecord.id)
        .order_by(StudyRecord.priority.desc(), StudyRecord.id)
    )
    demands = [
        Demand(
            trials,
            max(1, lanes // Resampling.model_validate(resampling).fits),
            max_workers=_REPRODUCIBLE_WORKERS if is_reproducible else None,
        )
        for trials, resampling, lanes, is_reproducible in session.execute(query)
    ]
    return demands or [Demand(1, 1)] * _is_unpublished(session)


def _is_unpublished(session: Session) -> bool:
    """Whether a report waits for a worker, see WorkerStore.claim_unpublished."""
    compared = sa.or_(StudyRecord.comparison_state.is_(None), StudyRecord.comparison_state.not_in(ACTIVE_COMPARISON))
    ended = sa.and_(StudyRecord.state.not_in(ACTIVE_STUDY), StudyRecord.parent_id.is_(None), compared)
    query = sa.select(StudyRecord.id).where(ended, StudyRecord.published.is_(None)).limit(1)
    return session.scalar(query) is not None
