"""The files of datasets: where they are kept, when they may be removed, and where a worker reads them.

Many datasets and studies may use one file, so it can be uploaded again while it is removed. Lock it before adding or
removing it, inside a transaction.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts
from service.storage.records import DatasetRecord
from studies.errors import FieldError, InvalidSpecError
from studies.spec.dataset import DatasetSpec, UploadedDataset


def file_path(digest: str) -> str:
    """The artifact of the file with this digest."""
    return f"datasets/{digest}"


def check_dataset_exists(session: Session, dataset: DatasetSpec) -> None:
    """Lock the file of a study's dataset until commit.

    Raises InvalidSpecError when the dataset was deleted since it was read.
    """
    if (
        isinstance(dataset, UploadedDataset)
        and dataset.digest is not None
        and not lock_dataset_file(session, dataset.digest)
    ):
        raise InvalidSpecError([FieldError("dataset.name", f"there is no dataset '{dataset.name}'; upload it first")])


def lock_dataset_file(session: Session, digest: str) -> bool:
    """Lock the file until commit; return whether a dataset uses it."""
    # SQLite has one writer anyway. A row's lock would not do: there may be none, and one may come.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(int(digest[:15], 16))))
    query = sa.select(DatasetRecord.id).where(DatasetRecord.digest == digest).limit(1)
    return session.scalar(query) is not None


class DatasetFiles:
    """The files of datasets on this machine: read where they are kept, or fetched once into a cache folder."""

    def __init__(self, artifacts: Artifacts, cache: Path) -> None:
        self._artifacts, self._cache = artifacts, cache

    def __call__(self, digest: str) -> Path:
        """The local file with this digest.

        Raises NotFoundError when it is gone.
        """
        path = file_path(digest)
        local = self._artifacts.local(path)
        if local is not None:
            if not self._artifacts.has(path):
                raise NotFoundError(f"the artifact {path} is not in REGSWEEP_ARTIFACTS_URL")
            return local
        target = self._cache / "datasets" / digest
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                partial = Path(folder, digest)
                self._artifacts.fetch(path, partial)
                partial.rename(target)
        return target
