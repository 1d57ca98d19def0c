"""Begins and ends the steps of comparisons: a comparison is studies with a parent.

Each technique is searched in a study of its own. When all of those have ended, one more, the confirmation, trains their
best parameters in rounds of planned trials, see confirmation.py. A step begins in the transaction that ends the one
before, so no crash can come between.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from service.errors import ConflictError
from service.storage import confirmation, failures, lifecycle, outbox, ranking, repeats, slots
from service.storage.records import StudyRecord, TrialRecord, table_of
from service.storage.states import (
    ACTIVE_COMPARISON,
    ACTIVE_STUDY,
    OPEN_TRIAL,
    ComparisonState,
    Event,
    StudyState,
    TrialState,
)
from service.storage.transactions import note
from studies.analysis import techniques
from studies.plan import Plan
from studies.spec.comparison import ComparisonSpec

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_log = structlog.get_logger(__name__)
_MIN_TECHNIQUES = 2  # with a complete trial, so that there is a comparison
_CONFIRMATION = "confirmation"


def begin(session: Session, optuna: RDBStorage, study: StudyRecord, comparison: ComparisonSpec) -> None:
    """Begin the search of every technique, paused when the study is.

    Raises InvalidSpecError when the study's space excludes a technique.
    Raises ConflictError when Optuna has a study with the name of a part.
    """
    spec = study.parsed_spec
    comparison = techniques.resolve(spec, comparison)
    names = comparison.techniques or ()
    _check_names(session, [part_name(study, part) for part in (*names, _CONFIRMATION)])
    study.comparison, study.comparison_state = comparison.model_dump(mode="json"), ComparisonState.SEARCHING
    study.published, study.answer = None, None
    note(session, "comparison.begun", study.id, study=study.name)
    for technique in names:
        search = techniques.search_spec(spec, comparison, technique)
        part = lifecycle.create(session, optuna, search, part_name(study, technique), study.project, study, technique)
        if study.state == StudyState.PAUSED:
            _set_part_state(session, part, StudyState.PAUSED)


def _check_names(session: Session, names: Sequence[str]) -> None:
    name = name_in_use(session, names)
    if name is not None:
        raise ConflictError(f"Optuna has a study named '{name}', which the comparison needs; delete that one first")


def name_in_use(session: Session, names: Sequence[str]) -> str | None:
    """One of these names that a study of Optuna's has; None when none has."""
    optuna_studies = sa.table("studies", sa.column("study_name", sa.String))
    return session.scalar(sa.select(optuna_studies.c.study_name).where(optuna_studies.c.study_name.in_(names)))


def part_name(study: StudyRecord, part: str) -> str:
    """The name of a part; no user's study can have it, for users' names hold no colon."""
    return f"{study.name}: {part}"


def end(session: Session, optuna: RDBStorage, study: StudyRecord, state: StudyState, reason: str | None) -> None:
    """End a locked study; when it is a part of a comparison, begin the next step or end the comparison."""
    if study.state not in ACTIVE_STUDY:
        return
    paused = study.state == StudyState.PAUSED
    lifecycle.end_study(session, study, state, reason)
    session.expire(study)
    settle(session, optuna, study, paused=paused)


def settle(session: Session, optuna: RDBStorage, study: StudyRecord, *, paused: bool = False) -> None:
    """Conclude a locked study that has ended, once none of its trials runs: those that it cut count as well.

    It failed when no trial is complete. The comparison that it is a part of goes on, or ends with it.
    """
    if study.state in ACTIVE_STUDY or _has_open_trial(session, [study]):
        return
    if study.state == StudyState.COMPLETED and (why := failures.why_without_result(session, study)) is not None:
        study.state, study.reason = StudyState.FAILED, "; ".join(filter(None, [study.reason, why]))
        lifecycle.note_end(session, study, study.state, study.reason)
    parent = _parent(session, study)
    if parent is None:
        return
    if parent.comparison_state == ComparisonState.SEARCHING:
        if not _active_parts(session, parent) and not _has_open_trial(session, parts(session, parent)):
            _begin_confirmation(session, optuna, parent, paused=paused)
    elif parent.comparison_state == ComparisonState.CONFIRMING and study.technique is None:
        _end_comparison(session, parent, ComparisonState(study.state))


def _end_comparison(session: Session, study: StudyRecord, state: ComparisonState) -> None:
    study.comparison_state = state
    note(session, "comparison.ended", study.id, study=study.name, state=str(state))
    outbox.record_end(session, Event.COMPARISON_ENDED, study, str(state))


def goes_on(session: Session, study_id: int) -> bool:
    """Return whether a study is active and a trial of it open: then `end_when_done` does nothing, unless one failed."""
    return bool(session.connection().scalar(_select_goes_on(), {"of_study": study_id}))


@cache
def _select_goes_on() -> sa.Select[Any]:
    studies, trials = table_of(StudyRecord), table_of(TrialRecord)
    of_study: sa.BindParameter[int] = sa.bindparam("of_study")
    is_open = sa.exists().where(trials.c.study_id == of_study, trials.c.state.in_(OPEN_TRIAL))
    return sa.select(is_open).where(studies.c.id == of_study, studies.c.state.in_(ACTIVE_STUDY))


def end_when_done(session: Session, optuna: RDBStorage, study: StudyRecord, *, failed: bool) -> None:
    """End a study when no trial is open, or, after a trial failed, when failures exceed budget.max_failed_trials.

    Settle one that has ended before.
    """
    if study.state not in ACTIVE_STUDY:
        settle(session, optuna, study)
        return
    in_study = TrialRecord.study_id == study.id
    max_failed = study.spec["budget"]["max_failed_trials"]  # not validated: every trial ends here
    if failed and max_failed is not None:
        in_budget = TrialRecord.slot < study.spec["budget"]["trials"]
        failures_of_study = sa.select(sa.func.count()).where(in_study, in_budget, TrialRecord.state == TrialState.FAIL)
        count = session.scalar(failures_of_study) or 0
        if count > max_failed:
            reason = f"{count} trials failed and budget.max_failed_trials is {max_failed}"
            end(session, optuna, study, StudyState.FAILED, reason)
            return
    if not _has_open_trial(session, [study]) and not _add_planned(session, study):
        end(session, optuna, study, StudyState.COMPLETED, None)


def _has_open_trial(session: Session, studies: Sequence[StudyRecord]) -> bool:
    of_studies = TrialRecord.study_id.in_([study.id for study in studies])
    return bool(session.scalar(sa.select(sa.exists().where(of_studies, TrialRecord.state.in_(OPEN_TRIAL)))))


def _add_planned(session: Session, study: StudyRecord) -> bool:
    """Add a confirmation's next round, or the repeats of a study's best trial; return whether there are any."""
    parent, plans = _parent(session, study), list[Plan]()
    if study.state not in ACTIVE_STUDY:
        return False
    if parent is None:
        plans = repeats.plan(session, study)
        slots.add_repeats(session, study, plans)
    elif study.technique is None:
        plans = confirmation.next_round(session, parent, study)
        slots.add_slots(session, study, plans)
    return bool(plans)


def set_parts_state(session: Session, study: StudyRecord, to: StudyState) -> None:
    """Pause or resume the parts of a comparison with their study."""
    for part in _active_parts(session, study):
        _set_part_state(session, part, to)


def _set_part_state(session: Session, part: StudyRecord, to: StudyState) -> None:
    lifecycle.count_pause(session, part, to)
    part.state = StudyState.QUEUED if to == StudyState.RUNNING and part.started_at is None else to


def stop(session: Session, optuna: RDBStorage, study: StudyRecord) -> None:
    """Stop a comparison that has not ended, with every part that is active."""
    if study.comparison_state in ACTIVE_COMPARISON:
        _end_comparison(session, study, ComparisonState.STOPPED)
        for part in _active_parts(session, study):
            end(session, optuna, part, StudyState.STOPPED, "stopped by the user")


def parts(session: Session, study: StudyRecord) -> Sequence[StudyRecord]:
    """The studies of a study's comparison, in the order they began."""
    return session.scalars(
        sa.select(StudyRecord).where(StudyRecord.parent_id == study.id).order_by(StudyRecord.id)
    ).all()


def _parent(session: Session, study: StudyRecord) -> StudyRecord | None:
    return None if study.parent_id is None else session.get_one(StudyRecord, study.parent_id)


def _active_parts(session: Session, study: StudyRecord) -> list[StudyRecord]:
    return [part for part in parts(session, study) if part.state in ACTIVE_STUDY]


def _begin_confirmation(session: Session, optuna: RDBStorage, study: StudyRecord, *, paused: bool) -> None:
    comparison = study.parsed_comparison
    searches = {part.technique: part for part in parts(session, study) if part.technique is not None}
    best = {technique: ranking.best_trial(session, part) for technique, part in searches.items()}
    params = {technique: trial.params for technique, trial in best.items() if trial is not None and trial.params}
    if len(params) < _MIN_TECHNIQUES:
        _end_comparison(session, study, ComparisonState.FAILED)
        return
    name = part_name(study, _CONFIRMATION)
    if name_in_use(session, [name]) is not None:  # users' studies cannot have it: another program made it in Optuna
        _log.error("a comparison ends, for Optuna has a study of the name that it needs", study=study.name, name=name)
        _end_comparison(session, study, ComparisonState.FAILED)
        return
    plans = confirmation.first_round(comparison, params)
    spec = techniques.confirmation_spec(study.parsed_spec, comparison, len(plans))
    part = lifecycle.create(session, optuna, spec, name, study.project, study, plans=plans)
    if paused:
        _set_part_state(session, part, StudyState.PAUSED)
    study.comparison_state = ComparisonState.CONFIRMING
