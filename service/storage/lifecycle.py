"""How a study's rows begin and end, here and in Optuna's tables; all inside a `database.transaction`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import NotFoundError, PreconditionError
from service.storage.database import unix_now
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_STUDY, StudyState, TrialState
from studies.plan import Plan
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def find(session: Session, name: str, *, lock: bool = False) -> StudyRecord:
    """The study of a name, locked if asked; NotFoundError when there is none."""
    # PostgreSQL refuses to compare a text with one that holds a NUL.
    study = None if "\0" in name else session.scalar(sa.select(StudyRecord).where(StudyRecord.name == name))
    if study is not None and lock:
        study = locked(session, study.id)
    if study is None:
        raise NotFoundError(f"there is no study named '{name}'")
    return study


def locked(session: Session, study_id: int) -> StudyRecord | None:
    """A study, locked where the database knows row locks; None when there is none.

    Everybody locks in one order, or two would wait for each other: a part's study, the part, then trials by their id.
    """
    parent = session.scalar(sa.select(StudyRecord.parent_id).where(StudyRecord.id == study_id))
    if parent is not None:
        _lock(session, parent)
    return _lock(session, study_id)


def _lock(session: Session, study_id: int) -> StudyRecord | None:
    # Not so tight that rows which only refer to the study would wait.
    return session.get(StudyRecord, study_id, with_for_update={"key_share": True}, populate_existing=True)


def locked_trials(session: Session, which: sa.ColumnElement[bool]) -> Sequence[tuple[int, int | None]]:
    """The ids and numbers of trials that are about to change, locked."""
    query = sa.select(TrialRecord.id, TrialRecord.number).where(which).order_by(TrialRecord.id)
    return [(row.id, row.number) for row in session.execute(query.with_for_update())]


def expect(study: StudyRecord, tags: Collection[str] | None) -> None:
    """PreconditionError unless the study stands as one of these tags says; None and `*` fit any."""
    if tags is not None and "*" not in tags and study.tag not in tags:
        raise PreconditionError(
            f"study '{study.name}' has changed since: If-Match does not name its ETag \"{study.tag}\"; read it again"
        )


def create(
    session: Session,
    optuna: RDBStorage,
    spec: StudySpec,
    name: str,
    part_of: StudyRecord | None = None,
    technique: str | None = None,
    plans: Sequence[Plan] | None = None,
) -> StudyRecord:
    """A study with its whole budget and its Optuna study; IntegrityError when its name is taken."""
    from optuna.study import StudyDirection

    study = StudyRecord(
        name=name,
        state=StudyState.QUEUED,
        spec=spec.model_dump(mode="json"),
        created_at=unix_now(),
        priority=spec.priority if part_of is None else part_of.priority,
        served_at=None if part_of is None else part_of.served_at,
        parent_id=None if part_of is None else part_of.id,
        technique=technique,
    )
    session.add(study)
    session.flush()
    _insert_places(session, study, plans if plans is not None else [None] * spec.budget.trials, 0)
    directions = [StudyDirection[direction.upper()] for direction in spec.directions]
    optuna_id = optuna.create_new_study(directions, study.name)
    optuna.set_study_system_attr(optuna_id, "study:metric_names", list(spec.objectives))
    return study


def add_places(session: Session, study: StudyRecord, plans: Sequence[Plan]) -> None:
    """Add planned places to the budget of a study that is locked."""
    if plans:
        budget = study.spec["budget"]
        _insert_places(session, study, plans, budget["trials"])
        study.spec = {**study.spec, "budget": {**budget, "trials": budget["trials"] + len(plans)}}


def _insert_places(session: Session, study: StudyRecord, plans: Sequence[Plan | None], first: int) -> None:
    places: list[dict[str, Any]] = [
        {
            "study_id": study.id,
            "place": first + index,
            "state": TrialState.WAITING,
            "attempt": 0,
            "setbacks": 0,
            "plan": None if plan is None else plan.document(),
        }
        for index, plan in enumerate(plans)
    ]
    session.execute(sa.insert(TrialRecord), places)


def count_pause(session: Session, study: StudyRecord, to: StudyState) -> None:
    """Note how long a study stands still, when it goes to another state: its timeout leaves that out."""
    now = session.scalar(sa.select(unix_now())) or 0.0
    if study.paused_at is not None and to != StudyState.PAUSED:
        # Before its first claim no time of it runs.
        stood = now - study.paused_at if study.started_at is not None else 0.0
        study.paused_seconds, study.paused_at = study.paused_seconds + stood, None
    elif study.paused_at is None and to == StudyState.PAUSED:
        study.paused_at = now


def end_study(session: Session, optuna: RDBStorage, study: StudyRecord, state: StudyState, reason: str | None) -> None:
    """End an active study, inside a `database.transaction`: nothing starts, what runs ends at its next epoch."""
    if study.state in ACTIVE_STUDY:
        ended = {"state": state, "reason": reason, "ended_at": unix_now()}
        session.execute(sa.update(StudyRecord).where(StudyRecord.id == study.id).values(ended))
        close_places(session, optuna, study, TrialRecord.state == TrialState.WAITING)


def close_places(session: Session, optuna: RDBStorage, study: StudyRecord, which: sa.ColumnElement[bool]) -> None:
    """Close places of an ended study that nobody runs: those never asked go, trials that were begun are pruned."""
    from optuna.trial import TrialState as OptunaState

    these = sa.and_(TrialRecord.study_id == study.id, which)
    begun = {key: number for key, number in locked_trials(session, these) if number is not None}
    session.execute(sa.delete(TrialRecord).where(these, TrialRecord.number.is_(None)))
    pruned = {
        "state": TrialState.PRUNED,
        "token": None,
        "lease_expires_at": None,
        "checkpoint": None,
        "reason": "the study ended before the trial did",
        "ended_at": unix_now(),
    }
    session.execute(sa.update(TrialRecord).where(TrialRecord.id.in_(begun)).values(pruned))
    if not begun:
        return
    optuna_id = optuna.get_study_id_from_name(study.name)
    for number in begun.values():
        trial_id = optuna.get_trial_id_from_study_id_trial_number(optuna_id, number)
        optuna.set_trial_state_values(trial_id, OptunaState.PRUNED)


def remove(session: Session, optuna: RDBStorage, study: StudyRecord) -> int:
    """Delete a study with all its trials, here and in Optuna; its id."""
    locked_trials(session, these := TrialRecord.study_id == study.id)
    session.execute(sa.delete(TrialRecord).where(these))
    session.delete(study)
    optuna.delete_study(optuna.get_study_id_from_name(study.name))
    return study.id
