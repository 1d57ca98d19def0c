"""Users' own datasets: a record each, and its file, kept under its digest so that the same bytes are kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError, DatasetInUseError, NotFoundError
from service.storage.artifacts import Artifacts
from service.storage.database import unix_now
from service.storage.dataset_files import file_path, lock_dataset_file
from service.storage.records import DatasetRecord, StudyRecord
from service.storage.store import Store
from studies.datasets.profile import DatasetProfile
from studies.spec.dataset import UploadedDataset
from studies.spec.table import TableFormat, TableOptions

_MAX_NAMED = 5  # studies that an error names


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded completely."""

    path: Path
    digest: str  # SHA-256
    size: int  # bytes


class DatasetStore:
    """Datasets in the database and under the artifacts."""

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self._store, self._artifacts = store, artifacts

    def add(
        self,
        upload: Upload,
        name: str,
        file_format: TableFormat,
        options: TableOptions,
        profile: DatasetProfile,
    ) -> tuple[DatasetRecord, bool]:
        """Keep a dataset, one for the same bytes under the same options; return its record, and whether it is new.

        Raises ConflictError when another dataset has the name, ArtifactError when the file cannot be kept.
        """
        record = DatasetRecord(
            name=name,
            digest=upload.digest,
            bytes=upload.size,
            format=file_format,
            options=options.model_dump(mode="json"),
            profile=profile.model_dump(mode="json"),
            created_at=unix_now(),
        )
        try:
            kept = None
            while kept is None:
                kept = self._record(record, upload.path)
        except sa.exc.IntegrityError:
            self.remove_unused_file(upload.digest)
            raise ConflictError(
                f"a dataset named '{name}' exists and is another; choose another name or delete it first"
            ) from None
        return kept, kept is record

    def _record(self, record: DatasetRecord, file: Path) -> DatasetRecord | None:
        """Keep file and record; return the record of the dataset, None when its file was removed in between.

        A dataset that is recorded already stays.
        """
        path = file_path(record.digest)
        if not self._artifacts.has(path):
            self._artifacts.put(path, file)
        with self._store.writing() as session:
            lock_dataset_file(session, record.digest)
            if not self._artifacts.has(path):
                return None
            same = session.scalars(sa.select(DatasetRecord).where(DatasetRecord.digest == record.digest)).all()
            equal = [other for other in same if _options(other) == _options(record) and other.format == record.format]
            if equal:
                return next((other for other in equal if other.name == record.name), equal[0])
            session.add(record)
            session.flush()
            session.refresh(record)  # its date is the database's
        return record

    def find(self, name: str) -> DatasetRecord:
        """Find the dataset of a name.

        Raises NotFoundError when there is none.
        """
        with self._store.reading() as session:
            record = _find(session, name)
        if record is None:
            raise NotFoundError(f"there is no dataset named '{name}'")
        return record

    def list_datasets(self) -> Sequence[DatasetRecord]:
        """Every dataset, newest first."""
        with self._store.reading() as session:
            return session.scalars(sa.select(DatasetRecord).order_by(DatasetRecord.id.desc())).all()

    def uploaded(self, name: str) -> UploadedDataset | None:
        """Describe the dataset of a name as a study does; None when there is none."""
        with self._store.reading() as session:
            record = _find(session, name)
        if record is None:
            return None
        return UploadedDataset(
            kind="uploaded",
            name=record.name,
            digest=record.digest,
            format=record.format,
            options=_options(record),
            known=DatasetProfile.model_validate(record.profile).facts,
        )

    def read(self, name: str) -> bytes:
        """Read the uploaded bytes."""
        return self._artifacts.read(file_path(self.find(name).digest))

    def delete(self, name: str) -> None:
        """Delete a dataset.

        Raises DatasetInUseError while a study uses it.
        """
        digest = self.find(name).digest
        with self._store.writing() as session:
            lock_dataset_file(session, digest)
            users = session.scalars(_users(digest).limit(_MAX_NAMED)).all()
            if users:
                raise DatasetInUseError(name, users)
            # The dataset of this name may have another file by now.
            session.execute(sa.delete(DatasetRecord).where(DatasetRecord.name == name, DatasetRecord.digest == digest))
        self.remove_unused_file(digest)

    def remove_unused_file(self, digest: str) -> bool:
        """Remove a file that no dataset uses any more; return whether it is gone."""
        # Not with the record: a commit that fails would leave a record without its file.
        with self._store.writing() as session:
            return not lock_dataset_file(session, digest) and self._artifacts.remove(file_path(digest))


def _find(session: Session, name: str) -> DatasetRecord | None:
    return None if "\0" in name else session.scalar(sa.select(DatasetRecord).where(DatasetRecord.name == name))


def _options(record: DatasetRecord) -> TableOptions:
    """The options of a dataset; those that an older version did not have are left out in them."""
    return TableOptions.model_validate(record.options)


def _users(digest: str) -> sa.Select[str]:
    """Select the names of the studies that use a file."""
    uses = StudyRecord.spec["dataset"]["digest"].as_string() == digest
    return sa.select(StudyRecord.name).where(uses, StudyRecord.parent_id.is_(None)).order_by(StudyRecord.id)
