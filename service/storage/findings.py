"""Reads the findings of a study from the database, for studies.analysis."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage import comparisons, confirmation, ranking, repeats
from service.storage.profiles import summary_of
from service.storage.records import CurveRecord, StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, TrialState
from service.storage.store import Store
from service.version import VERSION
from studies.analysis.findings import Findings, Sample, Trial
from studies.analysis.results import Comparison
from studies.search.idle_parameters import without_idle_rates


def findings(store: Store, study: StudyRecord) -> Findings:
    """Read everything of a study and its comparison that a report shows."""
    with store.reading() as session:
        parts = {part.technique: part for part in comparisons.parts(session, study)}
        searched = {technique: _trials(session, part) for technique, part in parts.items() if technique is not None}
        suggested = _suggested_params(session, study)
        return Findings(
            spec=without_idle_rates(study.parsed_spec),  # an earlier version searched dropout where nothing drops
            data=summary_of(session, study.parsed_spec.dataset),
            state=study.state,
            comparison_state=study.comparison_state,
            trials=_trials(session, study, suggested),
            searched=searched,
            samples=_samples(session, parts.get(None)),
            comparison=_comparison(session, study, parts),
            best_repeats=_best_repeats(session, study),
            version=VERSION,
            created_at=study.created_at,
            ended_at=max((member.ended_at for member in (study, *parts.values()) if member.ended_at), default=None),
        )


def comparison(store: Store, study: StudyRecord) -> Comparison | None:
    """The result of a study's comparison; None while it runs, or when there is too little to compare."""
    with store.reading() as session:
        return _comparison(session, study, {part.technique: part for part in comparisons.parts(session, study)})


def _comparison(session: Session, study: StudyRecord, parts: Mapping[str | None, StudyRecord]) -> Comparison | None:
    confirming = parts.get(None)
    if confirming is None or study.comparison_state in ACTIVE_COMPARISON:
        return None
    return confirmation.result(session, study, confirming)


def _best_repeats(session: Session, study: StudyRecord) -> list[float]:
    best = ranking.best_trial(session, study) if len(study.parsed_spec.objectives) == 1 else None
    return [] if best is None else repeats.values(session, study, best.number)


def _suggested_params(session: Session, study: StudyRecord) -> dict[int, Mapping[str, Any]]:
    """The params that the sampler suggested to each trial, by number, also those that have no effect.

    Empty where another program has deleted the study from Optuna's tables.
    """
    from service.storage import optuna_history, optuna_tables

    optuna_id = optuna_tables.find_study(session, study.name)
    known = [] if optuna_id is None else optuna_history.known_trials(session, study, optuna_id)
    return {trial.number: trial.params for trial in known}


def _trials(
    session: Session, study: StudyRecord, suggested: Mapping[int, Mapping[str, Any]] = MappingProxyType({})
) -> list[Trial]:
    query = sa.select(TrialRecord).where(TrialRecord.study_id == study.id, TrialRecord.number.is_not(None))
    return [
        Trial(
            number=trial.number or 0,
            state=trial.state,
            values=trial.values,
            params=trial.params or {},
            metrics=trial.metrics or {},
            weights=trial.weights or {},
            epochs=trial.epochs,
            suggested=suggested.get(trial.number or 0, {}),
        )
        for trial in session.scalars(query.order_by(TrialRecord.number))
    ]


def _samples(session: Session, confirming: StudyRecord | None) -> dict[str, Sample]:
    """The training of each technique's best trial on the study's own split."""
    if confirming is None:
        return {}
    query = (
        sa.select(TrialRecord, CurveRecord)
        .join(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
        .where(TrialRecord.study_id == confirming.id, TrialRecord.state == TrialState.COMPLETE)
    )
    return {
        trial.plan["technique"]: Sample(
            curve=record.curve,
            histogram=record.detail["histogram"],
            best_epoch=trial.best_epoch or 0,
            stopped_early=bool(trial.stopped_early),
        )
        for trial, record in session.execute(query.order_by(TrialRecord.slot))
        if trial.plan and trial.plan["test"] and record.detail
    }
