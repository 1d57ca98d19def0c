"""Workers."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.storage.records.table import Record, one_of
from service.storage.states import Activity, FleetKind


class WorkerRecord(Record):
    """A worker that shows itself, with what it does now."""

    __tablename__ = "regsweep_workers"

    name: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    activity: Mapped[Activity] = mapped_column(one_of(Activity, 20))
    study_id: Mapped[int | None] = mapped_column(index=True)  # that it serves; of a deleted study until it finds out
    memory_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)  # that its process holds
    cpus: Mapped[float | None]  # that it offers; see storage.offers. Of an earlier version's worker all are None
    gpus: Mapped[int | None]
    memory: Mapped[int | None] = mapped_column(sa.BigInteger)  # bytes
    node: Mapped[str | None] = mapped_column(sa.String(255))  # the name of its machine
    fleet: Mapped[FleetKind | None] = mapped_column(one_of(FleetKind, 10))
    only_study: Mapped[str | None] = mapped_column(sa.Text)  # the name of the one that it serves; None: any
    started_at: Mapped[float]
    seen_at: Mapped[float]
    expires_at: Mapped[float]  # when it counts as gone, unless it is seen again
