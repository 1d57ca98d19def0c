"""Users' own datasets: a record for each version, and its file, kept under its digest so that bytes are kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from service import audit
from service.errors import ConflictError, DatasetInUseError, NotFoundError, QuotaError
from service.storage import quotas
from service.storage.access import EVERY_PROJECT
from service.storage.artifacts import Artifacts
from service.storage.clock import unix_now
from service.storage.dataset_files import FIRST_VERSION, file_path, lock_dataset_file, lock_dataset_name
from service.storage.records import DatasetRecord, StudyRecord, has_name
from service.storage.store import Store
from studies.datasets.profile import DatasetProfile
from studies.spec.dataset import BUILTIN, MAX_VERSION, SYNTHETIC, UploadedDataset
from studies.spec.name import normalize
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
        project: str | None = None,
    ) -> tuple[DatasetRecord, bool]:
        """Keep a version of the dataset of this name; return its record, and whether it is new.

        The same bytes under the same options are the version that they were before. Without a project a new version is
        of that of the others, and a new dataset goes where `Access.choose` says.

        Raises ArtifactError when the file cannot be kept.
        Raises ConflictError when another project has a dataset of this name, QuotaError when this one is full.
        """
        record = DatasetRecord(
            name=name,
            project=None if project is None else self._store.access.choose(project),
            digest=upload.digest,
            bytes=upload.size,
            format=file_format,
            options=options.model_dump(mode="json"),
            profile=profile.model_dump(mode="json"),
            created_by=self._store.access.name,
            created_at=unix_now(),
        )
        kept = None
        try:
            while kept is None:
                kept = self._record(record, upload.path)
        except (ConflictError, NotFoundError, QuotaError):
            self.remove_unused_file(record.digest)
            raise
        if kept is record:
            audit.record("dataset.added", dataset=kept.name, version=kept.version, bytes=kept.bytes)
        return kept, kept is record

    def check_room(self, name: str | None, project: str | None, size: int) -> None:
        """Check before a file is read that it has a project to go to, which has room for so many bytes.

        Raises NotFoundError when there is no such project, QuotaError when it is full.
        """
        access = self._store.access
        with self._store.reading() as session:
            is_asked = name is None or project is not None
            chosen = access.choose(project) if is_asked else self._project_of(session, name or "")
            quotas.check_room(session, access, chosen, size)

    def _record(self, record: DatasetRecord, file: Path) -> DatasetRecord | None:
        """Keep file and record; return the record of the version, None when its file was removed in between.

        A version that is recorded already stays.
        """
        path, asked = file_path(record.digest), record.project
        if not self._artifacts.has(path):
            self._artifacts.put(path, file)
        with self._store.writing() as session:
            project = asked or self._project_of(session, record.name)
            # The project first and the file then, as whoever submits a study locks them.
            with quotas.admitting(session, self._store.access, project):
                lock_dataset_name(session, record.name)
                lock_dataset_file(session, record.digest)
                if not self._artifacts.has(path):
                    return None
                versions = session.scalars(_versions(record.name), execution_options=EVERY_PROJECT).all()
                newest = next(iter(versions), None)
                if newest is not None and newest.project != project:
                    raise self._name_in_use(newest)
                for other in versions:
                    if _is_same(other, record):
                        return other
                record.project, record.version = project, FIRST_VERSION if newest is None else newest.version + 1
                session.add(record)
                session.flush()
            session.refresh(record)  # its date is the database's
        return record

    def _project_of(self, session: Session, name: str) -> str:
        """The project of the versions that a dataset has; of a new one that to which it goes."""
        record = _find(session, name, None)
        return self._store.access.choose(None) if record is None else record.project

    def _name_in_use(self, record: DatasetRecord) -> ConflictError:
        of_project = f" in the project '{record.project}'" if self._store.access.sees(record.project) else ""
        return ConflictError(f"a dataset named '{record.name}' exists{of_project}; choose another name")

    def find(self, name: str, version: int | None = None) -> DatasetRecord:
        """Find a version of a dataset, the newest when none is given.

        Raises NotFoundError when there is none.
        """
        with self._store.reading() as session:
            record = _find(session, name, version)
        if record is None:
            raise _not_found(name, version)
        return record

    def versions(self, name: str) -> Sequence[DatasetRecord]:
        """All versions of a dataset, newest first.

        Raises NotFoundError when there is none.
        """
        with self._store.reading() as session:
            records = session.scalars(_versions(name)).all()
        if not records:
            raise _not_found(name)
        return records

    def list_datasets(self, project: str | None = None) -> Sequence[DatasetRecord]:
        """The newest version of every dataset, or of those of a project, newest first.

        Raises NotFoundError when there is no such project.
        """
        newest = sa.select(sa.func.max(DatasetRecord.id)).group_by(DatasetRecord.name)
        query = sa.select(DatasetRecord).where(DatasetRecord.id.in_(newest)).order_by(DatasetRecord.id.desc())
        with self._store.reading() as session:
            if project is not None:
                found = quotas.find_project(session, self._store.access, project)
                query = query.where(DatasetRecord.project == found.name)
            return session.scalars(query).all()

    def uploaded(self, name: str, version: int | None = None) -> UploadedDataset | None:
        """Describe a version of a dataset as a study does, the newest when none is given; None when there is none."""
        with self._store.reading() as session:
            record = _find(session, name, version)
        if record is None:
            return None
        profile = DatasetProfile.model_validate(record.profile)
        return UploadedDataset(
            kind="uploaded",
            name=record.name,
            version=record.version,
            digest=record.digest,
            format=record.format,
            options=TableOptions.model_validate(record.options),
            known=profile.facts,
        ).with_columns(profile.input_columns)

    def read(self, name: str) -> bytes:
        """Read the uploaded bytes."""
        return self._artifacts.read(file_path(self.find(name).digest))

    def delete(self, name: str, version: int | None = None) -> None:
        """Delete a version of a dataset, all of them when none is given.

        Raises DatasetInUseError while a study is about one of them; then all stay.
        """
        with self._store.writing() as session:
            lock_dataset_name(session, normalize(name))
            records = [one for one in session.scalars(_versions(name)) if version in {None, one.version}]
            if not records:
                raise _not_found(name, version)
            digests = sorted({record.digest for record in records})
            for digest in digests:
                lock_dataset_file(session, digest)
            users = session.scalars(_users(records).limit(_MAX_NAMED)).all()
            if users:
                raise DatasetInUseError(name, users)
            for record in records:
                session.delete(record)
        audit.record("dataset.deleted", dataset=normalize(name), version=version)
        for digest in digests:
            self.remove_unused_file(digest)

    def remove_unused_file(self, digest: str) -> bool:
        """Remove a file that no dataset uses any more; return whether it is gone."""
        # Not with the record: a commit that fails would leave a record without its file.
        with self._store.writing() as session:
            return not lock_dataset_file(session, digest) and self._artifacts.remove(file_path(digest))


def _versions(name: str) -> sa.Select[DatasetRecord]:
    """Select all versions of a dataset, newest first."""
    of_name = has_name(DatasetRecord.name, name)
    return sa.select(DatasetRecord).where(of_name).order_by(DatasetRecord.version.desc())


def _find(session: Session, name: str, version: int | None) -> DatasetRecord | None:
    query = _versions(name).limit(1)
    if version is not None:
        query = query.where(DatasetRecord.version == version if version <= MAX_VERSION else sa.false())
    return session.scalar(query)


def _is_same(one: DatasetRecord, other: DatasetRecord) -> bool:
    """Return whether two versions are the same file under the same options, whichever release wrote these."""
    options, others = (TableOptions.model_validate(record.options) for record in (one, other))
    return one.digest == other.digest and one.format == other.format and options == others


def _not_found(name: str, version: int | None = None) -> NotFoundError:
    if name in BUILTIN or name in SYNTHETIC:
        return NotFoundError(
            f"'{name}' comes with regsweep and was not uploaded, so it has no file and no versions here"
        )
    of_version = "" if version is None else f" with a version {version}"
    return NotFoundError(f"there is no dataset named '{name}'{of_version}")


def _users(records: Sequence[DatasetRecord]) -> sa.Select[str]:
    """Select the names of the studies that are about one of these versions of a dataset."""
    dataset = StudyRecord.spec["dataset"]
    version = sa.func.coalesce(dataset["version"].as_integer(), FIRST_VERSION)
    uses = sa.or_(
        *(
            (dataset["name"].as_string() == one.name)
            & (dataset["digest"].as_string() == one.digest)
            & (version == one.version)
            for one in records
        )
    )
    return sa.select(StudyRecord.name).where(uses, StudyRecord.parent_id.is_(None)).order_by(StudyRecord.id)
