"""Extends a study by trials or by time, also one that has ended; inside a `transaction` that has locked it.

Trials that the study's end cut stay as they are, and slots that it removed come back, without the params that a user
had enqueued in them. Repeats of the best trial go, for they stand where new slots belong; they are planned again when
the last trial ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.errors import ConflictError
from service.storage import comparisons, dataset_files, lifecycle, locking, repeats, slots
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, StudyState
from studies.errors import FieldError, InvalidSpecError
from studies.field_errors import field_errors
from studies.search import checks, extension
from studies.spec.budget import Budget, seconds_text
from studies.spec.study import StudySpec


def extend(session: Session, study: StudyRecord, changes: Mapping[str, Any], max_active: int | None = None) -> None:
    """Give a study more `trials`, more `timeout_seconds` (None: no limit), or both; one that has ended runs again.

    Nothing changes when the budget has these already.

    Raises InvalidSpecError when the budget would shrink, leaves no time, or is beyond what the search has.
    Raises ConflictError when the study cannot go on, or has ended while `max_active` studies have not.
    """
    document = {**study.spec["budget"], **changes}
    if document == study.spec["budget"]:
        return
    if study.parent_id is not None:
        raise ConflictError(f"'{study.name}' is a part of a comparison, which decides on its trials")
    before, after = study.parsed_spec, _with_budget(study, document)
    _check_growth(before.budget, after.budget)
    checks.check_search(after)
    has_more_trials, has_ended = after.budget.trials > before.budget.trials, study.state not in ACTIVE_STUDY
    if before.reproducible:
        _check_reproducible(session, study, after)
    if has_ended:
        _check_can_run_again(session, study, after, max_active)
    if has_more_trials:
        repeats.remove(session, study)
    study.spec = {**study.spec, "budget": after.budget.model_dump(mode="json")}
    added = slots.add_missing_slots(session, study)
    if not has_ended:
        return
    if not added:
        raise ConflictError(
            f"study '{study.name}' is {study.state}, and all its {after.budget.trials} trials have run; ask for more "
            "of them with budget.trials"
        )
    lifecycle.run_again(session, study)
    comparisons.set_parts_state(session, study, StudyState.RUNNING)  # a comparison may have been paused alone


def _with_budget(study: StudyRecord, budget: Mapping[str, Any]) -> StudySpec:
    try:
        return StudySpec.read({**study.spec, "budget": budget})
    except ValidationError as error:
        raise InvalidSpecError(field_errors(error.errors(), StudySpec)) from None


def _check_growth(before: Budget, after: Budget) -> None:
    if after.trials < before.trials:
        message = f"the study has {before.trials} trials already, and {after.trials} are fewer; ask for more"
        raise InvalidSpecError([FieldError("budget.trials", message)])
    if _seconds(after) < _seconds(before):
        had = "no limit" if before.timeout_seconds is None else seconds_text(before.timeout_seconds)
        asked = seconds_text(_seconds(after))
        message = f"the study has {had} already, and {asked} are fewer; ask for more, or null"
        raise InvalidSpecError([FieldError("budget.timeout_seconds", message)])


def _seconds(budget: Budget) -> float:
    return float("inf") if budget.timeout_seconds is None else budget.timeout_seconds


def _check_reproducible(session: Session, study: StudyRecord, after: StudySpec) -> None:
    """Refuse what would give another table of trials than a study that had this budget from the start."""
    cut = sa.exists().where(TrialRecord.study_id == study.id, lifecycle.was_cut())
    if study.invalidated_count or session.scalar(sa.select(cut)):
        why: str | None = "trials of it were cut by its end, or marked invalid"
    else:
        why = extension.why_other_trials(study.parsed_spec, after)
    if why is None:
        return
    raise ConflictError(
        f"study '{study.name}' is reproducible, and would have other trials than a new study of this budget: {why}; "
        "submit a new study"
    )


def _check_can_run_again(session: Session, study: StudyRecord, spec: StudySpec, max_active: int | None) -> None:
    # The room first and the dataset's file then, as whoever submits a study locks them.
    if max_active is not None and study.comparison_state not in ACTIVE_COMPARISON:
        locking.check_room(session, max_active)
    try:
        dataset_files.check_dataset_exists(session, spec.dataset, study.project)
    except InvalidSpecError as error:
        raise ConflictError(f"study '{study.name}' cannot go on: {error}") from None
    spent, limit = lifecycle.seconds_spent(study), spec.budget.timeout_seconds
    if limit is not None and spent >= limit:
        used = f"{seconds_text(limit)} seconds are used up"
        message = f"{used}; more trials need more time, so ask for more than {spent:.0f}, or null"
        raise InvalidSpecError([FieldError("budget.timeout_seconds", message)])
