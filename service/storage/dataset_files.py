"""The files of datasets: who may point to one, and when it may go.

A file is many datasets' and studies', so one is removed while the same bytes come in again. Whoever adds or removes
asks here first, inside of a transaction, and then nobody else does until its end.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.storage.records import DatasetRecord
from studies.errors import FieldError, InvalidSpecError
from studies.spec.dataset import DatasetSpec, UploadedDataset


def file_path(digest: str) -> str:
    """Where the file of a digest is kept."""
    return f"datasets/{digest}"


def expect(session: Session, dataset: DatasetSpec) -> None:
    """InvalidSpecError when a study's dataset was deleted since it was read."""
    if isinstance(dataset, UploadedDataset) and dataset.digest is not None and not held(session, dataset.digest):
        raise InvalidSpecError([FieldError("dataset.name", f"there is no dataset '{dataset.name}'; upload it first")])


def held(session: Session, digest: str) -> bool:
    """Whether a dataset is of this file; in a transaction that writes, it stays so until the end."""
    # SQLite has one writer anyway. A row's lock would not do: there may be none, and one may come.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(int(digest[:15], 16))))
    query = sa.select(DatasetRecord.id).where(DatasetRecord.digest == digest).limit(1)
    return session.scalar(query) is not None
