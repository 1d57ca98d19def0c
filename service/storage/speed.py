"""Reads how fast this database's workers trained lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import CurveRecord, StudyRecord, TrialRecord
from service.storage.states import LIVE_STUDY, StudyState, TrialState
from studies.spec.study import StudySpec

_RECENT_STUDIES = 50
_MAX_READ, _MAX_ALIKE = 6, 4
_TRIALS_A_STUDY = 50


@dataclass(frozen=True, slots=True)
class MeasuredStudy:
    """How fast some trials of a study were trained."""

    name: str
    spec: StudySpec
    lanes: int  # 0: keras.Model.fit
    trials: int
    epochs: int  # of all trainings together
    seconds: float  # that they took, without compiling
    epoch_share: float  # trained of the budget's epochs
    workers: frozenset[str]
    beside: float | None  # seconds from its first claim to its end in which nothing was trained; None of a part


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured; of studies of the same data and model, where there are any."""

    studies: Sequence[MeasuredStudy]
    alike: bool
    other_active_studies: int

    @property
    def trials(self) -> int:
        """Trials that were looked at."""
        return sum(study.trials for study in self.studies)


def read_speed(session: Session, spec: StudySpec) -> Speed:
    """Read how fast the newest studies were trained, those of the same data and model before others."""
    query = sa.select(StudyRecord).where(StudyRecord.started_at.is_not(None), StudyRecord.engine.is_not(None))
    recent = session.scalars(query.order_by(StudyRecord.id.desc()).limit(_RECENT_STUDIES)).all()
    document = spec.model_dump(mode="json")
    alike = [record for record in recent if _trains(record.spec) == _trains(document)]
    measured = _measure(session, alike, _MAX_ALIKE)
    active = sa.select(sa.func.count()).where(StudyRecord.state.in_(LIVE_STUDY), StudyRecord.parent_id.is_(None))
    others = session.scalar(active) or 0
    return Speed(measured or _measure(session, recent, _MAX_READ), bool(measured), others)


def _trains(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """What decides how long a training takes: the data, as it is read, and the model."""
    dataset = {name: value for name, value in document["dataset"].items() if name not in {"name", "version"}}
    return dataset, dataset.get("digest") or document["dataset"]["name"], document["model"]


def _measure(session: Session, records: Sequence[StudyRecord], most: int) -> list[MeasuredStudy]:
    measured: list[MeasuredStudy] = []
    for record in records:
        study = _measure_study(session, record)
        measured += [] if study is None else [study]
        if len(measured) == most:
            break
    return measured


def _measure_study(session: Session, record: StudyRecord) -> MeasuredStudy | None:
    query = (
        sa.select(TrialRecord.epochs, TrialRecord.worker, CurveRecord.detail["seconds"])
        .join(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
        .where(TrialRecord.study_id == record.id, TrialRecord.state == TrialState.COMPLETE)
        .limit(_TRIALS_A_STUDY)
    )
    # Of several trainings `epochs` is the mean; a training whose time was not measured compiled as well.
    rows = [
        (epochs, worker, [one for one in seconds or () if one is not None])
        for epochs, worker, seconds in session.execute(query)
        if epochs
    ]
    epochs = sum(each * len(seconds) for each, _, seconds in rows)
    if not epochs:
        return None
    spec, engine = record.parsed_spec, record.engine or {}
    seconds = sum(sum(seconds) for _, _, seconds in rows)
    workers = frozenset(worker for _, worker, _ in rows if worker)
    return MeasuredStudy(
        name=record.name.partition(": ")[0],
        spec=spec,
        lanes=engine["lanes"] if engine.get("engine") == "lanes" else 0,
        trials=len(rows),
        epochs=epochs,
        seconds=seconds,
        epoch_share=sum(each for each, _, _ in rows) / (len(rows) * spec.budget.epochs),
        workers=workers,
        beside=_seconds_beside(record, spec, seconds / len(rows) / max(1, len(workers))),
    )


def _seconds_beside(record: StudyRecord, spec: StudySpec, seconds_a_trial: float) -> float | None:
    """Seconds in which an ended study was not trained: other programs of it were compiled, and it was recorded.

    Not those before its first claim, in which it may have waited for other studies.
    """
    if record.parent_id is not None or record.state != StudyState.COMPLETED:
        return None
    if record.started_at is None or record.ended_at is None:
        return None
    trials = spec.budget.trials + spec.repeats_of_best
    return max(0.0, record.ended_at - record.started_at - record.paused_seconds - trials * seconds_a_trial)
