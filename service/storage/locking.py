"""Finds and locks studies and trials, and the admission of new ones; all inside a `transactions.transaction`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError, NotFoundError, PreconditionError
from service.storage.access import EVERY_PROJECT
from service.storage.records import StudyRecord, TrialRecord, has_name, table_of
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY, StudyState
from studies.spec.name import spoken

_ADMISSION_LOCK = 0x72656761  # PostgreSQL's advisory locks are numbers; another than that of the schema


def find(session: Session, name: str, *, lock: bool = False) -> StudyRecord:
    """Find the study of a name, and lock it if asked.

    Raises NotFoundError when there is none.
    """
    study = session.scalar(sa.select(StudyRecord).where(has_name(StudyRecord.name, name)))
    if study is not None and lock:
        study = lock_study(session, study.id)
    if study is None:
        raise NotFoundError(f"there is no study named '{name}'")
    return study


def lock_study(session: Session, study_id: int) -> StudyRecord | None:
    """Lock a study, where the database has row locks, and return it; None when there is none.

    Everybody locks in one order, or two would wait for each other: a part's study, the part, then trials by their id.
    """
    parent_id = session.scalar(sa.select(StudyRecord.parent_id).where(StudyRecord.id == study_id))
    if parent_id is not None:
        _lock(session, parent_id)
    return _lock(session, study_id)


def _lock(session: Session, study_id: int) -> StudyRecord | None:
    # Rows that only refer to the study need not wait.
    return session.get(StudyRecord, study_id, with_for_update={"key_share": True}, populate_existing=True)


class StudyStanding(NamedTuple):
    """What a worker needs of its study at every trial."""

    state: StudyState
    invalidated_count: int
    max_workers: int | None


def lock_standing(session: Session, study_id: int, parent_id: int | None) -> StudyStanding | None:
    """Lock a study as lock_study does, and return its standing alone; None when there is none.

    Every claim and every end of a trial reads it, and a study's row holds documents that take longer to read.
    """
    connection = session.connection()
    if parent_id is not None:
        connection.execute(_select_standing(), {"of_study": parent_id})
    row = connection.execute(_select_standing(), {"of_study": study_id}).first()
    return None if row is None else StudyStanding(*row)


def hold_standing(session: Session, study_id: int, parent_id: int | None) -> None:
    """Lock a study as lock_standing does, where the database has row locks; SQLite has one writer anyway."""
    if session.connection().dialect.name != "sqlite":
        lock_standing(session, study_id, parent_id)


@cache
def _select_standing() -> sa.Select[Any]:
    studies = table_of(StudyRecord)
    standing = sa.select(studies.c.state, studies.c.forgotten, studies.c.max_workers).where(
        studies.c.id == sa.bindparam("of_study")
    )
    return standing.with_for_update(key_share=True)


def lock_trials(session: Session, condition: sa.ColumnElement[bool]) -> Sequence[tuple[int, int | None]]:
    """Lock trials that are about to change; return their ids and numbers."""
    query = sa.select(TrialRecord.id, TrialRecord.number).where(condition).order_by(TrialRecord.id)
    return [(row.id, row.number) for row in session.execute(query.with_for_update())]


def check_etag(study: StudyRecord, etags: Collection[str] | None) -> None:
    """Refuse to go on with a study that a user has not seen as it is; None and `*` accept any.

    Raises PreconditionError when none of the etags is the study's.
    """
    if etags is not None and "*" not in etags and study.etag not in etags:
        raise PreconditionError(
            f"study '{study.name}' has changed since: If-Match does not name its ETag \"{study.etag}\"; read it again"
        )


def lock_admission(session: Session) -> None:
    """Lock the admission of studies, datasets, keys and projects until commit; a study that exists is locked before."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADMISSION_LOCK)))


def name_like(session: Session, column: sa.orm.InstrumentedAttribute[str], name: str) -> str | None:
    """Lock the admission, and find a name of the column that people take for this one, as Alice for alice."""
    lock_admission(session)
    return next((known for known in session.scalars(sa.select(column)) if spoken(known) == spoken(name)), None)


def check_room(session: Session, max_active: int) -> None:
    """Lock the admission of studies, and count those that have not ended, or whose comparison has not.

    Raises ConflictError when they are `max_active` or more.
    """
    lock_admission(session)
    active = sa.or_(StudyRecord.state.in_(ACTIVE_STUDY), StudyRecord.comparison_state.in_(ACTIVE_COMPARISON))
    query = sa.select(sa.func.count()).select_from(StudyRecord).where(active, StudyRecord.parent_id.is_(None))
    if (count := session.scalar(query, execution_options=EVERY_PROJECT) or 0) >= max_active:
        raise ConflictError(
            f"{count} studies have not ended, and REGSWEEP_MAX_ACTIVE_STUDIES allows {max_active}; stop one, or wait"
        )
