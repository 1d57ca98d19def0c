"""Ranks the complete trials of studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord, TrialRecord, asked, complete
from studies.objectives import Direction, cost_sign
from studies.search import pareto

#: Repeats of the best trial have no number.
_COMPLETE = sa.and_(asked(), complete())


def best_trial(session: Session, study: StudyRecord) -> TrialRecord | None:
    """The best complete trial of a study by its first objective; None when none is complete."""
    query = sa.select(TrialRecord).where(TrialRecord.study_id == study.id, _COMPLETE)
    return session.scalar(query.order_by(*_best_first(study.parsed_spec.directions[0])).limit(1))


def _best_first(direction: Direction) -> tuple[sa.ColumnElement[Any], ...]:
    value = TrialRecord.value.desc() if cost_sign(direction) < 0 else TrialRecord.value.asc()
    return value, TrialRecord.number.asc()


def best_trials(session: Session, study: StudyRecord) -> list[TrialRecord]:
    """The best complete trial, or the Pareto front of several objectives; empty when none is complete."""
    directions = study.parsed_spec.directions
    if len(directions) == 1:
        best = best_trial(session, study)
        return [] if best is None else [best]
    complete = sa.select(TrialRecord).where(TrialRecord.study_id == study.id, _COMPLETE)
    trials = session.scalars(complete.order_by(TrialRecord.number)).all()
    if not trials:
        return []
    return [trials[index] for index in pareto.front([trial.values or [] for trial in trials], directions)]


def best_by_study(session: Session, studies: Sequence[StudyRecord]) -> dict[int, TrialRecord]:
    """The best complete trial of each study of one objective that has one, by the study's id; a query a direction."""
    best: dict[int, TrialRecord] = {}
    for direction in get_args(Direction):
        ids = [study.id for study in studies if study.parsed_spec.directions == (direction,)]
        of_study = sa.select(TrialRecord.id).where(TrialRecord.study_id == StudyRecord.id, _COMPLETE)
        first = of_study.order_by(*_best_first(direction)).limit(1).correlate(StudyRecord).scalar_subquery()
        best_ids = sa.select(first).where(StudyRecord.id.in_(ids))
        query = sa.select(TrialRecord).where(TrialRecord.id.in_(best_ids))
        best |= {trial.study_id: trial for trial in session.scalars(query)}
    return best
