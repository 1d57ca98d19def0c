"""Models and other files, kept anywhere fsspec reaches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from service.errors import ArtifactError, ExtraMissingError, NotFoundError
from service.extras import extra_of
from service.storage.private_files import create_private_folder

_log = structlog.get_logger(__name__)
_BLOCK = 1 << 20


class Artifacts:
    """A folder of files under one fsspec URL; a file is there completely or not at all.

    Raises ArtifactError when the URL makes no sense, or when its storage refuses or does not answer, and
    ExtraMissingError when the package that speaks to it is not installed.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            # Others write too, so a listing is stale at once.
            files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ImportError as error:  # fsspec's own sentence names its package, not the extra that brings it
            missing = error.__cause__
            if isinstance(missing, ModuleNotFoundError) and (extra := extra_of(missing)) is not None:
                raise ExtraMissingError("REGSWEEP_ARTIFACTS_URL", str(missing.name), extra) from error
            raise ArtifactError(f"REGSWEEP_ARTIFACTS_URL: {error}") from error
        except ValueError as error:
            raise ArtifactError(f"REGSWEEP_ARTIFACTS_URL: {error}") from error
        self._files: Any = files
        self._root = str(root).rstrip("/")
        self._protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        self._failures = _failures(self._protocols)

    def put(self, path: str, source: Path) -> None:
        """Write a local file under a path."""
        with self._translating_errors(f"the artifact {path} cannot be written"):
            if "s3" in self._protocols:  # which shows an object only when it is complete
                self._files.put_file(str(source), self._at(path))
            else:
                self._put_by_renaming(source, self._at(path))

    def _put_by_renaming(self, source: Path, target: str) -> None:
        self._make_root()
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        # A rename within one folder is atomic.
        partial = f"{target}.{uuid4().hex}.partial"
        try:
            self._files.put_file(str(source), partial)
            self._sync(partial)
            self._files.mv(partial, target)
            self._sync(target.rpartition("/")[0])
        # Also on Ctrl-C: no partial file stays, whatever ends the writing.
        except BaseException:
            if self._files.exists(partial):
                self._files.rm_file(partial)
            raise

    def _make_root(self) -> None:
        if "file" in self._protocols:
            create_private_folder(Path(self._root))  # which keeps others from all that is in it
        else:
            self._files.makedirs(self._root, exist_ok=True)

    def _sync(self, path: str) -> None:
        """Have a file or a folder on the disk: a record that points to it commits next, and outlives a power cut."""
        if "file" not in self._protocols:
            return
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    def read(self, path: str) -> bytes:
        """Read a file.

        Raises NotFoundError when it is not there.
        """
        with self._reading(path):
            return bytes(self._files.cat_file(self._at(path)))

    def local(self, path: str) -> Path | None:
        """The local path of a file; None when it is kept elsewhere."""
        return Path(self._root, path) if "file" in self._protocols else None

    def fetch(self, path: str, target: Path) -> None:
        """Copy a file to this machine.

        Raises NotFoundError when it is not there.
        """
        with self._reading(path):
            self._files.get_file(self._at(path), str(target))

    def has(self, path: str) -> bool:
        """Return whether a file is there."""
        with self._translating_errors(f"the artifact {path} cannot be looked for"):
            return bool(self._files.exists(self._at(path)))

    def check_reachable(self) -> None:
        """Write a small file and remove it; of S3, which may keep every version of a file, list one.

        Raises ArtifactError when the storage refuses or does not answer.
        """
        with self._translating_errors("the artifacts cannot be reached"):
            if "s3" in self._protocols:
                bucket, _, prefix = self._root.partition("/")
                self._files.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
                return
            path = self._at(f"reachable-{uuid4().hex}.partial")
            self._make_root()
            self._files.pipe_file(path, b"1")
            self._files.rm_file(path)

    def blocks(self, path: str) -> Iterator[bytes]:
        """Read a file block by block.

        Raises NotFoundError, before the first block, when it is not there.
        """
        blocks = self._blocks(path)
        return chain([next(blocks, b"")], blocks)

    def _blocks(self, path: str) -> Iterator[bytes]:
        with self._reading(path), self._files.open(self._at(path), "rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def paths(self) -> list[str]:
        """The paths of all files."""
        with self._translating_errors("the artifacts cannot be listed"):
            return [str(name).removeprefix(f"{self._root}/") for name in self._files.find(self._root)]

    def written_at(self, path: str) -> float:
        """The time of a file's last write, in seconds since 1970 by its storage's clock.

        Raises NotFoundError when it is not there.
        """
        with self._reading(path):
            return float(self._files.modified(self._at(path)).timestamp())

    def remove(self, path: str) -> bool:
        """Remove a file that no record points to; return whether it is gone. One that stays is an orphan."""
        return self._remove(path, self._files.rm_file)

    def remove_folder(self, path: str) -> bool:
        """Remove a folder and all in it; return whether it is gone."""
        return self._remove(path, lambda target: self._files.rm(target, recursive=True))

    def remove_studies(self, study_ids: Iterable[int]) -> None:
        """Remove all files of studies that were deleted."""
        for study_id in study_ids:
            self.remove_folder(study_folder(study_id))

    def _remove(self, path: str, remove: Callable[[str], None]) -> bool:
        try:
            remove(self._at(path))
        except FileNotFoundError:
            return True
        # The caller has changed the database already; a file left behind must not make it fail.
        except self._failures as error:
            _log.warning("an artifact is left behind", path=path, error=str(error))
            return False
        return True

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        with self._translating_errors(f"the artifact {path} cannot be read"):
            try:
                yield
            except FileNotFoundError:
                raise NotFoundError(f"the artifact {path} is not in REGSWEEP_ARTIFACTS_URL") from None

    @contextmanager
    def _translating_errors(self, message: str) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise ArtifactError(f"{message}: {error}") from error


def _failures(protocols: set[str]) -> tuple[type[Exception], ...]:
    """The errors that a file system raises when its files cannot be reached."""
    if "s3" not in protocols:
        return (OSError,)
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError

    # s3fs turns S3's own answers into OSError; a lack of answers is botocore's and aiohttp's error.
    return OSError, BotoCoreError, ClientError


def checkpoints_folder(study_id: int) -> str:
    """The folder of the checkpoints of a study's running trials."""
    return f"{study_folder(study_id)}/checkpoints"


def preparation_path(study_id: int, fold: int) -> str:
    """The file of the preprocessing that was fitted on a fold of a study's data."""
    return f"{study_folder(study_id)}/preparation-{fold}.skops"


def report_folder(study_id: int, kind: str) -> str:
    """The folder of an ended study's report in one format."""
    return f"{study_folder(study_id)}/report-{kind}"


def study_folder(study_id: int) -> str:
    """The folder of all files of a study."""
    return f"studies/{study_id}"
