"""Datasets: bundled, synthetic and uploaded."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from studies.datasets.profile import DatasetProfile
from studies.spec.table import TableFormat, TableOptions


class DatasetView(BaseModel):
    """A dataset that a study can name."""

    kind: str
    name: str
    version: int | None = Field(description="The newest, which the name means; None of what is no upload.")
    task: str
    rows: int
    shape: list[int] = Field(description="Of one row: [features], or [height, width, channels].")
    classes: int = Field(description="Number of classes; 0 for a regression.")
    about: str


class DatasetVersion(BaseModel):
    """One upload under a dataset's name."""

    name: str
    version: int = Field(description="Counted from 1; the highest is the newest, which the name alone means.")
    digest: str = Field(description="SHA-256 of the file.")
    bytes: int
    format: TableFormat
    options: TableOptions
    created_at: datetime


class DatasetDetail(DatasetVersion):
    """A version of an uploaded dataset, with what its rows hold."""

    profile: DatasetProfile
