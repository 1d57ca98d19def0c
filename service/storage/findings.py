"""What a study found, as studies.analysis takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage import comparisons
from service.storage.records import CurveRecord, StudyRecord, TrialRecord
from service.storage.store import Store
from studies.analysis.comparison import compare
from studies.analysis.results import Comparison, Findings, Fit, Fits, Rows, Sample, Trial
from studies.spec import ComparisonSpec, StudySpec, Technique


def findings(store: Store, study: StudyRecord) -> Findings:
    """Everything of a study and its comparison that a report shows."""
    with store.reading() as session:
        parts = {part.technique: part for part in comparisons.parts(session, study)}
        searched = {technique: _trials(session, part) for technique, part in parts.items() if technique is not None}
        return Findings(
            spec=StudySpec.model_validate(study.spec),
            state=study.state,
            comparison_state=study.comparison_state,
            trials=_trials(session, study),
            searched=searched,
            samples=_samples(session, parts.get(None)),
            comparison=_compared(session, study, parts),
        )


def comparison(store: Store, study: StudyRecord) -> Comparison | None:
    """The result of a study's comparison; None while it runs, or when there is too little to compare."""
    with store.reading() as session:
        return _compared(session, study, {part.technique: part for part in comparisons.parts(session, study)})


def _compared(session: Session, study: StudyRecord, parts: Mapping[str | None, StudyRecord]) -> Comparison | None:
    confirmation = parts.get(None)
    if confirmation is None or confirmation.facts is None or study.comparison_state in comparisons.ACTIVE_COMPARISON:
        return None
    spec, asked = StudySpec.model_validate(study.spec), ComparisonSpec.model_validate(study.comparison)
    planned = _planned(session, confirmation)
    counts = confirmation.facts["rows"]
    found = [_fits(session, technique, parts[technique], planned) for technique in asked.techniques or ()]
    rows = Rows(fold=counts["validation"], train=counts["train"], test=counts["test"])
    return compare(spec, asked, found, rows, confirmation.facts["feature_names"])


#: A complete planned trial: its plan, and what it gave in detail.
_Planned = tuple[Mapping[str, Any], Mapping[str, Any]]


def _planned(session: Session, confirmation: StudyRecord) -> list[_Planned]:
    query = (
        sa.select(TrialRecord.plan, CurveRecord.detail)
        .join(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
        .where(TrialRecord.study_id == confirmation.id, TrialRecord.state == "COMPLETE")
        .order_by(TrialRecord.place)
    )
    return [(plan or {}, detail or {}) for plan, detail in session.execute(query)]


def _fits(session: Session, technique: Technique, part: StudyRecord, planned: Sequence[_Planned]) -> Fits:
    folds: dict[int, Fit] = {}
    test, params = None, None
    for plan, detail in planned:
        if plan["technique"] != technique:
            continue
        params = plan["params"]
        fits = [Fit(f["metrics"], f["weights"], f["epochs"], f.get("features", ())) for f in detail.get("folds", [])]
        if plan["test"]:
            test = fits[0]
        else:
            folds |= dict(zip(plan["folds"], fits, strict=True))
    lasted = TrialRecord.ended_at - TrialRecord.started_at
    seconds = session.scalar(sa.select(sa.func.avg(lasted)).where(TrialRecord.study_id == part.id))
    return Fits(technique, params, folds, test, seconds)


def _trials(session: Session, study: StudyRecord) -> list[Trial]:
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
        )
        for trial in session.scalars(query.order_by(TrialRecord.number))
    ]


def _samples(session: Session, confirmation: StudyRecord | None) -> dict[str, Sample]:
    """The training on the study's own split of each technique's best."""
    if confirmation is None:
        return {}
    query = (
        sa.select(TrialRecord, CurveRecord)
        .join(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
        .where(TrialRecord.study_id == confirmation.id, TrialRecord.state == "COMPLETE")
    )
    return {
        trial.plan["technique"]: Sample(
            curve=record.curve,
            histogram=record.detail["histogram"],
            best_epoch=trial.best_epoch or 0,
            stopped_early=bool(trial.stopped_early),
        )
        for trial, record in session.execute(query.order_by(TrialRecord.place))
        if trial.plan and trial.plan["test"] and record.detail
    }
