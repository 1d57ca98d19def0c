"""Datasets."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from service.names import DEFAULT_PROJECT
from service.storage.records.table import Record


class DatasetRecord(Record):
    """A version of a dataset that a user uploaded; its file is in the artifacts under its digest."""

    __tablename__ = "regsweep_datasets"
    __table_args__ = (sa.UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    project: Mapped[str] = mapped_column(sa.String(100), server_default=DEFAULT_PROJECT, index=True)
    version: Mapped[int]  # counts up from 1; the highest is what the name means
    digest: Mapped[str] = mapped_column(sa.String(64), index=True)  # SHA-256 of the file
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    format: Mapped[str] = mapped_column(sa.String(10))  # studies.spec.table.TableFormat
    options: Mapped[dict[str, Any]]  # studies.spec.table.TableOptions
    profile: Mapped[dict[str, Any]]  # studies.datasets.profile.DatasetProfile
    created_by: Mapped[str | None] = mapped_column(sa.String(100))  # as of a study
    created_at: Mapped[float]
