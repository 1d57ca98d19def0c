"""What was done with a study: when, by whom, and what."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.clock import unix_now
from service.storage.pagination import Cursor, Page, listing_id
from service.storage.records import ChangeRecord, StudyRecord


class Change(StrEnum):
    """What somebody did with a study."""

    SUBMITTED = "submitted"
    EXTENDED = "extended"
    PRIORITY = "priority set"
    MAX_WORKERS = "max_workers set"
    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPED = "stopped"
    ENQUEUED = "trial enqueued"
    INVALIDATED = "trial invalidated"
    COMPARED = "comparison begun"
    COMPARISON_STOPPED = "comparison stopped"
    COMPARISON_DELETED = "comparison deleted"


def record(session: Session, study: StudyRecord, who: str | None, what: Change, details: str = "") -> None:
    """Record what somebody did with a study, in the transaction that does it."""
    values = {"study_id": study.id, "what": what, "details": details, "changed_by": who, "changed_at": unix_now()}
    session.execute(sa.insert(ChangeRecord).values(values))


def read(session: Session, study: StudyRecord, limit: int, cursor: Cursor | None) -> Page[ChangeRecord]:
    """A page of what was done with a study, the latest first.

    Raises OtherListingError when the cursor is not of this listing.
    """
    listing = listing_id("changes", study.id)
    query = sa.select(ChangeRecord).where(ChangeRecord.study_id == study.id)
    if cursor is not None:
        cursor.check(listing)
        query = query.where(ChangeRecord.id < cursor.after)
    rows = session.scalars(query.order_by(ChangeRecord.id.desc()).limit(limit + 1)).all()
    return Page.cut(rows, limit, lambda change: Cursor(listing, 0, None, change.id))
