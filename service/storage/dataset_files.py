"""The files of datasets: where they are kept, when they may be removed, and where a worker reads them.

Many datasets and studies may use one file, so it can be uploaded again while it is removed. Lock it before adding or
removing it, inside a transaction; where the dataset's name is locked too, lock the name first, and files by digest.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.orm import Session

from service.errors import ConflictError, NotFoundError
from service.storage.access import EVERY_PROJECT
from service.storage.artifacts import Artifacts
from service.storage.records import DatasetRecord
from studies.errors import FieldError, InvalidSpecError
from studies.spec.dataset import DatasetSpec, UploadedDataset

#: Of a dataset; the one that a study means which was accepted before there were versions.
FIRST_VERSION = 1


def file_path(digest: str) -> str:
    """The artifact of the file with this digest."""
    return f"datasets/{digest}"


def check_dataset_exists(session: Session, dataset: DatasetSpec, project: str) -> None:
    """Lock the file of a study's dataset until commit.

    Raises InvalidSpecError when the dataset, or this version of it, was deleted since it was read, or when it is not of
    the study's project.
    """
    if not isinstance(dataset, UploadedDataset) or dataset.digest is None:
        return
    lock_dataset_file(session, dataset.digest)
    is_it = (DatasetRecord.name == dataset.name, DatasetRecord.digest == dataset.digest)
    version = FIRST_VERSION if dataset.version is None else dataset.version
    query = sa.select(DatasetRecord.project).where(*is_it, DatasetRecord.version == version)
    theirs = session.scalar(query)
    if theirs not in {None, project}:
        message = f"is of the project '{theirs}', as studies of it must be; submit this one with project={theirs}"
        raise InvalidSpecError([FieldError("dataset.name", message)])
    if theirs is None:
        message = f"version {version} of the dataset '{dataset.name}' was deleted meanwhile; upload it again"
        raise InvalidSpecError([FieldError("dataset.name", message)])


def check_file_kept(artifacts: Artifacts, dataset: DatasetSpec) -> None:
    """Check that the file of a study's dataset is still there.

    Raises ConflictError when it was removed.
    """
    if not isinstance(dataset, UploadedDataset) or dataset.digest is None:
        return
    if not artifacts.has(file_path(dataset.digest)):
        raise ConflictError(f"the file of the dataset '{dataset.name}' is gone, so no trial can run; upload it again")


def lock_dataset_name(session: Session, name: str) -> None:
    """Lock all versions of a dataset until commit, and those that may come."""
    _lock(session, sha256(name.encode()).hexdigest())


def lock_dataset_file(session: Session, digest: str) -> bool:
    """Lock the file until commit; return whether a dataset uses it."""
    _lock(session, digest)
    query = sa.select(DatasetRecord.id).where(DatasetRecord.digest == digest).limit(1)
    return session.scalar(query, execution_options=EVERY_PROJECT) is not None


def _lock(session: Session, digest: str) -> None:
    # SQLite has one writer anyway. A row's lock would not do: there may be none, and one may come.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(int(digest[:15], 16))))


_IN_USE_SECONDS = 3600.0


class DatasetFiles:
    """The files of datasets on this machine: read where they are kept, or fetched once into a cache folder.

    The folder holds at most `max_bytes` beside the file that is asked for and those of the last hour, which may be in
    use: what was used longest ago goes first.
    """

    def __init__(self, artifacts: Artifacts, cache: Path, max_bytes: int) -> None:
        self._artifacts, self._cache, self._max_bytes = artifacts, cache, max_bytes

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
            self._fetch(path, target)
        with suppress(OSError):  # another process may have pruned it just now; then opening it says so
            os.utime(target)
        return target

    def _fetch(self, path: str, target: Path) -> None:
        """Fetch a file once, however many workers of this machine ask for it at the same time."""
        locks = self._cache / "dataset_locks"
        for folder in (target.parent, locks):
            folder.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / target.name):
            if target.exists():
                return
            with tempfile.TemporaryDirectory(dir=target.parent) as partial_folder:
                partial = Path(partial_folder, target.name)
                self._artifacts.fetch(path, partial)
                partial.rename(target)
            self._prune(target.parent)

    def _prune(self, folder: Path) -> None:
        files = {path: path.stat() for path in folder.iterdir() if path.is_file()}
        total, before = sum(status.st_size for status in files.values()), time.time() - _IN_USE_SECONDS
        for path, status in sorted(files.items(), key=lambda item: item[1].st_mtime):
            if total <= self._max_bytes or status.st_mtime >= before:
                return
            path.unlink(missing_ok=True)
            total -= status.st_size
