"""Changes that users make to a study's trials: enqueue params, mark a trial invalid, start warm from another study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError, NotFoundError
from service.storage import missing_from_optuna
from service.storage.records import MARKED_INVALID, StudyRecord, TrialRecord, has_name
from service.storage.states import ACTIVE_STUDY, TrialState
from service.storage.transactions import note
from studies.errors import FieldError, InvalidSpecError
from studies.search.enqueued import check_params
from studies.spec.study import StudySpec


def enqueue(session: Session, study: StudyRecord, params: Mapping[str, Any]) -> TrialRecord:
    """Enqueue params in the next free slot of the budget; the sampler gives those that are missing.

    Raises InvalidSpecError when they are not in the search space.
    Raises ConflictError when no slot is free, the study has ended, or it is reproducible.
    """
    spec = study.parsed_spec
    if errors := check_params(spec.space.distributions(), params, "params"):
        raise InvalidSpecError(errors)
    if study.state not in ACTIVE_STUDY:
        raise ConflictError(f"study '{study.name}' is {study.state}; only one that has not ended takes trials")
    if spec.reproducible:
        raise ConflictError(f"study '{study.name}' is reproducible: what it tries depends on its spec alone")
    free = (
        TrialRecord.study_id == study.id,
        TrialRecord.state == TrialState.WAITING,
        TrialRecord.number.is_(None),
        TrialRecord.enqueued_params.is_(None),
        TrialRecord.plan.is_(None),
    )
    query = sa.select(TrialRecord).where(*free).order_by(TrialRecord.slot).limit(1)
    trial = session.scalar(query.with_for_update(skip_locked=True))
    if trial is None:
        raise ConflictError(f"study '{study.name}' has no free slot left in its budget of {spec.budget.trials} trials")
    trial.enqueued_params = dict(params)
    note(session, "trial.enqueued", study.id, study=study.name, slot=trial.slot)
    return trial


def mark_invalid(session: Session, study: StudyRecord, number: int, reason: str) -> TrialRecord:
    """Make a finished trial FAIL: no sampler learns from it, and no ranking shows it.

    Raises NotFoundError when the study has no trial of this number.
    Raises ConflictError when the trial is not COMPLETE or PRUNED, or a result depends on it.
    """
    from service.storage import optuna_tables

    query = sa.select(TrialRecord).where(TrialRecord.study_id == study.id, TrialRecord.number == number)
    trial = session.scalar(query.with_for_update())
    if trial is None:
        raise NotFoundError(f"study '{study.name}' has no trial {number}")
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        raise ConflictError(f"trial {number} is {trial.state}; only a COMPLETE or PRUNED one can be marked invalid")
    if study.parent_id is not None:
        raise ConflictError(f"'{study.name}' is a part of a comparison, whose result stands on its trials")
    if study.parsed_spec.reproducible and study.state in ACTIVE_STUDY:
        raise ConflictError(f"study '{study.name}' is reproducible: what it tries depends on its spec alone")
    trial.state, trial.reason = TrialState.FAIL, f"{MARKED_INVALID}{reason}"
    trial.value, trial.values = None, None
    study.invalidated_count, study.published = study.invalidated_count + 1, None
    optuna_id = optuna_tables.find_study(session, study.name)
    optuna_trial_id = None if optuna_id is None else optuna_tables.find_trial(session, optuna_id, number)
    if optuna_trial_id is not None:
        optuna_tables.fail_finished_trial(session, optuna_trial_id, trial.reason)
    return trial


def copy_warm_start_trials(session: Session, study: StudyRecord) -> None:
    """Copy the complete trials of the study that a new one starts warm from, if it names one.

    Raises InvalidSpecError as `find_warm_start` does.
    """
    study.warm_start = find_warm_start(session, study.parsed_spec)


def find_warm_start(session: Session, spec: StudySpec) -> dict[str, Any] | None:
    """Find the complete trials of the study that one starts warm from, as StudyRecord keeps them; None if it does not.

    Raises InvalidSpecError when there is no such study, its objectives or its data differ, or none of its trials fits.
    """
    from service.storage import optuna_history, optuna_tables
    from studies.search import idle_parameters, warm_start

    if spec.warm_start is None or spec.warm_start.study is None:
        return None
    name = spec.warm_start.study
    other = session.scalar(sa.select(StudyRecord).where(has_name(StudyRecord.name, name)))
    if other is None:
        raise _invalid_warm_start(f"there is no study named '{name}'")
    theirs = other.parsed_spec
    objectives = theirs.objectives
    if objectives != spec.objectives:
        raise _invalid_warm_start(
            f"'{name}' optimises {', '.join(objectives)}; it must be {', '.join(spec.objectives)}"
        )
    if not warm_start.same_rows(theirs.dataset, spec.dataset):
        raise _invalid_warm_start(
            f"'{name}' is about other data ({theirs.dataset.name}), whose values cannot be compared with this study's; "
            "name a study of the same data, read in the same way"
        )
    optuna_id = optuna_tables.find_study(session, other.name)
    if optuna_id is None:
        raise _invalid_warm_start(f"'{name}' is no longer in Optuna's tables; {missing_from_optuna.ADVICE}")
    complete = [
        (trial.params, trial.values)
        for trial in optuna_history.known_trials(session, other, optuna_id)
        if trial.state.name == TrialState.COMPLETE
    ]
    # An earlier version searched dropout also where nothing drops.
    found = warm_start.document(spec, idle_parameters.without_idle_rates(theirs), complete)
    if not found["trials"]:
        why = "".join(f"; {reason} ({count})" for reason, count in found["left_out"].items())
        message = f"none of the {len(complete)} complete trials of '{name}' lies in this study's space{why}"
        raise _invalid_warm_start(message)
    return found


def _invalid_warm_start(message: str) -> InvalidSpecError:
    return InvalidSpecError([FieldError("warm_start.study", message)])
