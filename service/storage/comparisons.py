"""Comparisons: studies of a study. Each technique is searched in a study of its own; when all of those have ended, one
more confirms their best parameters in rounds of planned trials, see confirmation.py.

What begins the next step stands in the transaction that ends the last, so no crash can come between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError
from service.storage import confirmation, lifecycle
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, OPEN_TRIAL, ComparisonState, StudyState, TrialState
from studies.analysis import techniques
from studies.spec.comparison import ComparisonSpec

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_LEAST = 2  # techniques that can be compared
_CONFIRMATION = "confirmation"


def begin(session: Session, optuna: RDBStorage, study: StudyRecord, comparison: ComparisonSpec) -> None:
    """Start the search of every technique, paused when the study is; InvalidSpecError when its space excludes one,
    ConflictError when Optuna has a study by the name of a part.
    """
    spec = study.parsed_spec
    comparison = techniques.settled(spec, comparison)
    named = comparison.techniques or ()
    _check_names(session, [part_name(study, part) for part in (*named, _CONFIRMATION)])
    study.comparison, study.comparison_state = comparison.model_dump(mode="json"), ComparisonState.SEARCHING
    study.published = None
    for technique in named:
        searched = techniques.search(spec, comparison, technique)
        part = lifecycle.create(session, optuna, searched, part_name(study, technique), study, technique)
        if study.state == StudyState.PAUSED:
            lifecycle.count_pause(session, part, StudyState.PAUSED)
            part.state = StudyState.PAUSED


def _check_names(session: Session, names: Sequence[str]) -> None:
    name = taken(session, names)
    if name is not None:
        raise ConflictError(f"Optuna has a study named '{name}', which the comparison needs; delete that one first")


def taken(session: Session, names: Sequence[str]) -> str | None:
    """One of these names that a study of Optuna's has."""
    optuna_studies = sa.table("studies", sa.column("study_name", sa.String))
    return session.scalar(sa.select(optuna_studies.c.study_name).where(optuna_studies.c.study_name.in_(names)))


def part_name(study: StudyRecord, part: str) -> str:
    """The name of a study of a comparison; no user's study can have it, for theirs hold no colon."""
    return f"{study.name}: {part}"


def end(session: Session, optuna: RDBStorage, study: StudyRecord, state: StudyState, reason: str | None) -> None:
    """End a study that is locked, and go on with the comparison that it is a part of."""
    whole = None if study.parent_id is None else session.get_one(StudyRecord, study.parent_id)
    if study.state not in ACTIVE_STUDY:
        return
    paused = study.state == StudyState.PAUSED
    lifecycle.end_study(session, optuna, study, state, reason)
    if whole is None:
        return
    session.expire(study)
    if whole.comparison_state == ComparisonState.SEARCHING and not _active_parts(session, whole):
        _confirm(session, optuna, whole, paused=paused)
    elif whole.comparison_state == ComparisonState.CONFIRMING and study.technique is None:
        whole.comparison_state = ComparisonState(state)


def end_when_done(session: Session, optuna: RDBStorage, study: StudyRecord, *, failed: bool) -> None:
    """End a study whose last trial has ended, or whose failed trials (one more, if `failed`) are more than it bears."""
    these = TrialRecord.study_id == study.id
    borne = study.spec["budget"]["max_failed_trials"]  # not validated: every trial ends here
    if failed and borne is not None:
        count = session.scalar(sa.select(sa.func.count()).where(these, TrialRecord.state == TrialState.FAIL)) or 0
        if count > borne:
            reason = f"{count} trials failed and budget.max_failed_trials is {borne}"
            end(session, optuna, study, StudyState.FAILED, reason)
            return
    unfinished = sa.exists().where(these, TrialRecord.state.in_(OPEN_TRIAL))
    if not session.scalar(sa.select(unfinished)) and not _go_on(session, study):
        end(session, optuna, study, StudyState.COMPLETED, None)


def _go_on(session: Session, study: StudyRecord) -> bool:
    """Plan what a confirmation trains next; False when it has done all, and for every other study."""
    whole = None if study.parent_id is None else session.get_one(StudyRecord, study.parent_id)
    if whole is None or study.technique is not None or study.state not in ACTIVE_STUDY:
        return False
    plans = confirmation.next_round(session, whole, study)
    lifecycle.add_slots(session, study, plans)
    return bool(plans)


def set_parts_state(session: Session, study: StudyRecord, to: StudyState) -> None:
    """Pause or resume the parts of a comparison with their study."""
    for part in _active_parts(session, study):
        lifecycle.count_pause(session, part, to)
        part.state = StudyState.QUEUED if to == StudyState.RUNNING and part.started_at is None else to


def stop(session: Session, optuna: RDBStorage, study: StudyRecord) -> None:
    """End every part of a comparison that is still active."""
    if study.comparison_state in ACTIVE_COMPARISON:
        study.comparison_state = ComparisonState.STOPPED
        for part in _active_parts(session, study):
            end(session, optuna, part, StudyState.STOPPED, "stopped by the user")


def parts(session: Session, study: StudyRecord) -> Sequence[StudyRecord]:
    """The studies of a study's comparison, in the order they began."""
    return session.scalars(
        sa.select(StudyRecord).where(StudyRecord.parent_id == study.id).order_by(StudyRecord.id)
    ).all()


def _active_parts(session: Session, study: StudyRecord) -> list[StudyRecord]:
    return [part for part in parts(session, study) if part.state in ACTIVE_STUDY]


def _confirm(session: Session, optuna: RDBStorage, study: StudyRecord, *, paused: bool) -> None:
    comparison = study.parsed_comparison
    best = {part.technique: best_trial(session, part) for part in parts(session, study) if part.technique is not None}
    params = {technique: trial.params for technique, trial in best.items() if trial is not None and trial.params}
    if len(params) < _LEAST:
        study.comparison_state = ComparisonState.FAILED
        return
    plans = confirmation.first_round(comparison, params)
    spec = techniques.confirmation(study.parsed_spec, comparison, len(plans))
    part = lifecycle.create(session, optuna, spec, part_name(study, _CONFIRMATION), study, plans=plans)
    if paused:
        lifecycle.count_pause(session, part, StudyState.PAUSED)
        part.state = StudyState.PAUSED
    study.comparison_state = ComparisonState.CONFIRMING


def best_trial(session: Session, study: StudyRecord) -> TrialRecord | None:
    """The best complete trial of a study by its first objective."""
    downwards = study.parsed_spec.directions[0] == "minimize"
    order = TrialRecord.value.asc() if downwards else TrialRecord.value.desc()
    complete = sa.select(TrialRecord).where(TrialRecord.study_id == study.id, TrialRecord.state == TrialState.COMPLETE)
    return session.scalar(complete.order_by(order, TrialRecord.number).limit(1))
