"""Ranks the complete trials of studies."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import TrialState
from studies.objectives import cost_sign
from studies.search import pareto

#: Repeats of the best trial have no number.
_COMPLETE = sa.and_(TrialRecord.state == TrialState.COMPLETE, TrialRecord.number.is_not(None))


def best_trial(session: Session, study: StudyRecord) -> TrialRecord | None:
    """The best complete trial of a study by its first objective; None when none is complete."""
    cost = TrialRecord.value * cost_sign(study.parsed_spec.directions[0])
    complete = sa.select(TrialRecord).where(TrialRecord.study_id == study.id, _COMPLETE)
    return session.scalar(complete.order_by(cost, TrialRecord.number).limit(1))


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
    """The best complete trial of each study of one objective that has one, by the study's id, in one query."""
    directions = {study.id: study.parsed_spec.directions for study in studies}
    single = {study_id: each[0] for study_id, each in directions.items() if len(each) == 1}
    maximized = [study_id for study_id, direction in single.items() if cost_sign(direction) < 0]
    cost = sa.case((TrialRecord.study_id.in_(maximized), -TrialRecord.value), else_=TrialRecord.value)
    rank = sa.func.row_number().over(partition_by=TrialRecord.study_id, order_by=(cost, TrialRecord.number))
    complete = sa.and_(TrialRecord.study_id.in_(single), _COMPLETE)
    ranked = sa.select(TrialRecord.id, rank.label("rank")).where(complete).subquery()
    query = sa.select(TrialRecord).join(ranked, ranked.c.id == TrialRecord.id).where(ranked.c.rank == 1)
    return {trial.study_id: trial for trial in session.scalars(query)}
