"""Finds the profile of a study's dataset."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import DatasetRecord
from studies.datasets.profile import DatasetProfile
from studies.datasets.summary import DataSummary, summarize
from studies.spec.dataset import DatasetSpec, UploadedDataset
from studies.spec.table import TableOptions


def summary_of(session: Session, dataset: DatasetSpec) -> DataSummary | None:
    """Say how a study's dataset was read; None of one that is not a user's own."""
    if not isinstance(dataset, UploadedDataset):
        return None
    query = sa.select(DatasetRecord).where(
        DatasetRecord.digest == dataset.digest, DatasetRecord.format == dataset.format
    )
    for record in session.scalars(query):
        if TableOptions.model_validate(record.options) == dataset.options:
            return summarize(DatasetProfile.model_validate(record.profile))
    return None
