"""Projects."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.storage.records.table import Record


class ProjectRecord(Record):
    """A project, with its own quotas; those that are None are the server's."""

    __tablename__ = "regsweep_projects"

    name: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    active_studies: Mapped[int | None]
    waiting_trials: Mapped[int | None]
    stored_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)
    created_by: Mapped[str | None] = mapped_column(sa.String(100))
    created_at: Mapped[float]
