"""How far studies are logged to trackers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.storage.records.table import Record


class TrackedRecord(Record):
    """A study that is logged to a tracker while it runs. Instants are as a StudyRecord's."""

    __tablename__ = "regsweep_tracked"
    __table_args__ = (sa.Index("ix_regsweep_tracked_next", "tracker", "next_at"),)

    study_id: Mapped[int] = mapped_column(sa.ForeignKey("regsweep_studies.id", ondelete="CASCADE"), primary_key=True)
    tracker: Mapped[str] = mapped_column(sa.String(20), primary_key=True)  # studies.spec.logger.LoggerName
    #: Of the study and of each part of its comparison, by id: the last change of a trial that is logged.
    positions: Mapped[dict[str, Any]]
    next_at: Mapped[float]  # when it is looked at next; while it is logged, the end of its lease
    holder: Mapped[str | None] = mapped_column(sa.String(40))  # the process that logs it, and knows its runs
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    problem: Mapped[str | None] = mapped_column(sa.String(500))  # of the last failure; None when it was logged since
    logged_at: Mapped[float | None]  # last
    done_at: Mapped[float | None]  # when all was logged of a study that had ended
    invalidated_count: Mapped[int] = mapped_column(default=0)  # the study's, when it was done
