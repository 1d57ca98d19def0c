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
    task: str
    rows: int
    shape: list[int] = Field(description="Of one row: [features], or [height, width, channels].")
    classes: int = Field(description="Number of classes; 0 for a regression.")
    about: str


class DatasetDetail(BaseModel):
    """An uploaded dataset."""

    name: str
    digest: str = Field(description="SHA-256 of the file.")
    bytes: int
    format: TableFormat
    options: TableOptions
    profile: DatasetProfile
    created_at: datetime
