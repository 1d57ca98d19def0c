"""Whether there is room for one more study."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError
from service.storage.records import StudyRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY

_ADMISSION_LOCK = 0x72656761  # PostgreSQL's advisory locks are numbers; another than that of the schema


def check_room(session: Session, most: int) -> None:
    """ConflictError when so many studies have not ended, their comparisons included."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADMISSION_LOCK)))
    active = sa.or_(StudyRecord.state.in_(ACTIVE_STUDY), StudyRecord.comparison_state.in_(ACTIVE_COMPARISON))
    query = sa.select(sa.func.count()).select_from(StudyRecord).where(active, StudyRecord.parent_id.is_(None))
    if (found := session.scalar(query) or 0) >= most:
        raise ConflictError(
            f"{found} studies have not ended, and REGSWEEP_MAX_ACTIVE_STUDIES allows {most}; stop one, or wait"
        )
