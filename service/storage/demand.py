"""What the studies that have not ended ask of workers, for who starts them."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord, TrialRecord, unpublished
from service.storage.states import LIVE_STUDY, OPEN_TRIAL
from studies.spec.resampling import Resampling
from studies.spec.resources import Resources
from studies.spec.training import REPRODUCIBLE_WORKERS

_UNKNOWN_LANES = 8  # of a study that no worker has begun and that names none


@dataclass(frozen=True, slots=True)
class Demand:
    """What one study, with its comparison, asks of workers."""

    trials: int  # that are open: waiting or running
    at_once: int  # trials that a worker trains at once
    resources: Resources = field(default_factory=Resources)
    max_workers: int | None = None
    root_id: int = 0  # of the study whose part it is, else its own: `max_workers` is for all parts together
    priority: int = 0


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
    lanes = sa.func.coalesce(engine["lanes"].as_integer(), spec["training"]["lanes"].as_integer(), _UNKNOWN_LANES)
    query = (
        sa.select(
            open_trials.c.trials,
            spec["resampling"].label("resampling"),
            lanes.label("lanes"),
            spec["reproducible"].as_boolean().label("reproducible"),
            StudyRecord.needs_cpus,
            StudyRecord.needs_gpus,
            StudyRecord.needs_memory,
            StudyRecord.max_workers,
            sa.func.coalesce(StudyRecord.parent_id, StudyRecord.id).label("root_id"),
            StudyRecord.priority,
        )
        .join(open_trials, open_trials.c.study_id == StudyRecord.id)
        .order_by(StudyRecord.priority.desc(), StudyRecord.id)
    )
    demands = [
        Demand(
            row.trials,
            max(1, row.lanes // Resampling.model_validate(row.resampling).fits),
            Resources(cpus=row.needs_cpus, gpus=row.needs_gpus, memory=row.needs_memory),
            row.max_workers or (REPRODUCIBLE_WORKERS if row.reproducible else None),
            row.root_id,
            row.priority,
        )
        for row in session.execute(query)
    ]
    return demands or [Demand(1, 1)] * _is_unpublished(session)


def _is_unpublished(session: Session) -> bool:
    """Whether a report waits for a worker, see WorkerStore.claim_unpublished."""
    return session.scalar(sa.select(StudyRecord.id).where(unpublished()).limit(1)) is not None
