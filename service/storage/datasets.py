"""Users' own datasets: a record each, and the files, kept by what is in them, so that the same bytes are kept once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service.errors import ConflictError, DatasetInUseError, NotFoundError
from service.storage.artifacts import Artifacts
from service.storage.database import unix_now
from service.storage.dataset_files import file_path, held
from service.storage.records import DatasetRecord, StudyRecord
from service.storage.store import Store
from studies.datasets.profile import DatasetProfile
from studies.spec.dataset import UploadedDataset
from studies.spec.table import TableFormat, TableOptions

_SHOWN = 5  # studies that an error names


@dataclass(frozen=True)
class Upload:
    """A whole file that came in."""

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
        """Keep a dataset; whether it is new. The same bytes under the same options are one dataset.

        ConflictError when the name is another dataset's, ArtifactError when the file cannot be kept.
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
            known = None
            while known is None:
                known = self._recorded(record, upload.path)
        except sa.exc.IntegrityError:
            self.drop(upload.digest)
            raise ConflictError(
                f"a dataset named '{name}' exists and is another; choose another name or delete it first"
            ) from None
        return known, known is record

    def _recorded(self, record: DatasetRecord, file: Path) -> DatasetRecord | None:
        """The dataset that was already, or this one with its file; None when the file was removed in between."""
        path = file_path(record.digest)
        if not self._artifacts.has(path):
            self._artifacts.put(path, file)
        with self._store.writing() as session:
            held(session, record.digest)
            if not self._artifacts.has(path):
                return None
            same = session.scalars(sa.select(DatasetRecord).where(DatasetRecord.digest == record.digest)).all()
            known = [one for one in same if one.options == record.options and one.format == record.format]
            if known:
                return next((one for one in known if one.name == record.name), known[0])
            session.add(record)
            session.flush()
            session.refresh(record)  # its date is the database's
        return record

    def find(self, name: str) -> DatasetRecord:
        """The dataset of a name; NotFoundError when there is none."""
        with self._store.reading() as session:
            found = _find(session, name)
        if found is None:
            raise NotFoundError(f"there is no dataset named '{name}'")
        return found

    def all(self) -> Sequence[DatasetRecord]:
        """Every dataset, newest first."""
        with self._store.reading() as session:
            return session.scalars(sa.select(DatasetRecord).order_by(DatasetRecord.id.desc())).all()

    def uploaded(self, name: str) -> UploadedDataset | None:
        """All that a study says of the dataset of a name."""
        with self._store.reading() as session:
            found = _find(session, name)
        if found is None:
            return None
        return UploadedDataset(
            kind="uploaded",
            name=found.name,
            digest=found.digest,
            format=found.format,
            options=TableOptions.model_validate(found.options),
            known=DatasetProfile.model_validate(found.profile).facts,
        )

    def read(self, name: str) -> bytes:
        """The bytes as they were uploaded."""
        return self._artifacts.read(file_path(self.find(name).digest))

    def remove(self, name: str) -> None:
        """Delete a dataset; DatasetInUseError while a study is about it."""
        digest = self.find(name).digest
        with self._store.writing() as session:
            held(session, digest)
            users = session.scalars(_users(digest).limit(_SHOWN)).all()
            if users:
                raise DatasetInUseError(name, users)
            # One of this name may be of another file by now.
            session.execute(sa.delete(DatasetRecord).where(DatasetRecord.name == name, DatasetRecord.digest == digest))
        self.drop(digest)

    def drop(self, digest: str) -> bool:
        """Remove a file that no dataset is of any more; whether it is gone."""
        # Not with the record: a commit that fails would leave a record without its file.
        with self._store.writing() as session:
            return not held(session, digest) and self._artifacts.remove(file_path(digest))


def _find(session: Session, name: str) -> DatasetRecord | None:
    return None if "\0" in name else session.scalar(sa.select(DatasetRecord).where(DatasetRecord.name == name))


def _users(digest: str) -> sa.Select[str]:
    """Names of the studies that are about a file."""
    about = StudyRecord.spec["dataset"]["digest"].as_string() == digest
    return sa.select(StudyRecord.name).where(about, StudyRecord.parent_id.is_(None)).order_by(StudyRecord.id)


class Files:
    """The files of datasets on this machine: those of a folder where they are, others fetched once."""

    def __init__(self, artifacts: Artifacts, cache: Path) -> None:
        self._artifacts, self._cache = artifacts, cache

    def __call__(self, digest: str) -> Path:
        """The file of a digest; NotFoundError when it is gone."""
        path = file_path(digest)
        here = self._artifacts.local(path)
        if here is not None:
            if not self._artifacts.has(path):
                raise NotFoundError(f"the artifact {path} is not in REGSWEEP_ARTIFACTS_URL")
            return here
        target = self._cache / "datasets" / digest
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                partial = Path(folder, digest)
                self._artifacts.fetch(path, partial)
                partial.rename(target)
        return target
