"""What has changed in a study for those who follow it; each query costs the same however many trials there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage import workers
from service.storage.records import CurveRecord, StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, TrialState

_MAX_DIGITS = 19  # of a number of the database


def event_id(study_id: int, changed: int) -> str:
    """The id of the event of a trial's change; a study that was deleted and made anew under its name has others."""
    return f"{study_id}-{changed}"


def change_number(text: str, study_id: int, position: int) -> int:
    """The number of the change that an event's id names; 0 of an id that no event of the study up to now had."""
    of_study, _, changed = text.partition("-")
    known = of_study == str(study_id) and changed.isascii() and changed.isdecimal() and len(changed) < _MAX_DIGITS
    return int(changed) if known and int(changed) <= position else 0


def positions(session: Session, study_ids: Sequence[int]) -> dict[int, int]:
    """The number of the last change of a trial in each study, by its id; 0 before the first.

    Repeats, which have no number, do not count: they are removed when their study is extended, and then the numbers of
    their changes are given again.
    """
    last = _last_change(TrialRecord.number.is_not(None))
    query = sa.select(StudyRecord.id, sa.func.coalesce(last, 0)).where(StudyRecord.id.in_(study_ids))
    return {row[0]: row[1] or 0 for row in session.execute(query)}


def _last_change(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int | None]:
    """The number of the last change in a study, which the index knows."""
    in_study = TrialRecord.study_id == StudyRecord.id, TrialRecord.changed.is_not(None)
    query = sa.select(TrialRecord.changed).where(*in_study, *conditions)
    return query.order_by(TrialRecord.changed.desc()).limit(1).scalar_subquery()


def changed_trials(session: Session, study_id: int, after: int, limit: int) -> Sequence[TrialRecord]:
    """The trials whose last change has a number above `after`, in the order of these numbers, at most `limit`."""
    query = sa.select(TrialRecord).where(
        TrialRecord.study_id == study_id, TrialRecord.changed > after, TrialRecord.number.is_not(None)
    )
    return session.scalars(query.order_by(TrialRecord.changed).limit(limit)).all()


def running_curves(session: Session, study_id: int) -> dict[int, Mapping[str, Any]]:
    """The curves so far of running trials, by number."""
    query = (
        sa.select(TrialRecord.number, CurveRecord.curve)
        .join(CurveRecord, CurveRecord.trial_id == TrialRecord.id)
        .where(TrialRecord.study_id == study_id, TrialRecord.state == TrialState.RUNNING)
    )
    # A condition on the number would let SQLite read all trials by the index of the numbers.
    return {number: curve for number, curve in session.execute(query) if number is not None}


class Standing(NamedTuple):
    """How a study stands."""

    mark: tuple[Any, ...]  # differs when what a listener sees of the study, its comparison or its workers has changed
    is_over: bool  # whether it and its comparison have ended, and no trial runs


def standing(session: Session, study_id: int) -> Standing | None:
    """How a study stands; None when it was deleted."""
    rows = session.execute(_select_marks(), {"of_study": study_id}).all()
    study = next((row for row in rows if row.id == study_id), None)
    if study is None:
        return None
    has_ended = study.state not in ACTIVE_STUDY and study.comparison_state not in ACTIVE_COMPARISON
    return Standing((*map(tuple, rows), *workers.marks(session)), has_ended and not any(row.is_running for row in rows))


@cache
def _select_marks() -> Any:
    """The study and the parts of its comparison; what indexes know of their trials."""
    of_study: sa.BindParameter[int] = sa.bindparam("of_study")
    in_study = TrialRecord.study_id == StudyRecord.id
    study = StudyRecord
    slots = sa.select(sa.func.max(TrialRecord.slot)).where(in_study)
    is_running = sa.exists().where(in_study, TrialRecord.state == TrialState.RUNNING)
    columns = (study.state, study.comparison_state, study.priority, study.started_at, study.ended_at, study.paused_at)
    more = (
        study.max_workers,
        study.reason,
        study.engine.is_not(None),
        study.invalidated_count,
        study.spec["budget"].as_string(),
    )
    marks = _last_change(), slots.scalar_subquery(), is_running.label("is_running")
    query = sa.select(study.id, *columns, *more, *marks)
    return query.where(sa.or_(study.id == of_study, study.parent_id == of_study)).order_by(study.id)
