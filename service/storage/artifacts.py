"""Models and other files, kept anywhere fsspec reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from service.errors import ArtifactError, NotFoundError

_log = structlog.get_logger(__name__)
_BLOCK = 1 << 20


class Artifacts:
    """A folder of files under one fsspec URL; a file is there whole or not at all.

    ArtifactError when the URL makes no sense, and when the place it names does not answer or refuses.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            # What was listed a moment ago is not what is there: others write, too.
            files, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise ArtifactError(f"REGSWEEP_ARTIFACTS_URL: {error}") from error
        self._files: Any = files
        self._root = str(root).rstrip("/")
        self._protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        self._failures = _failures(self._protocols)

    def put(self, path: str, source: Path) -> None:
        """Keep a local file under a path."""
        with self._doing(f"the artifact {path} cannot be written"):
            if "s3" in self._protocols:  # shows an object only when it is whole
                self._files.put_file(str(source), self._at(path))
            else:
                self._put_by_renaming(source, self._at(path))

    def _put_by_renaming(self, source: Path, target: str) -> None:
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        # A rename within one folder is atomic.
        partial = f"{target}.{uuid4().hex}.partial"
        try:
            self._files.put_file(str(source), partial)
            self._files.mv(partial, target)
        # Also on Ctrl-C: whatever ends the writing, no half file stays; it goes on its way below.
        except BaseException:
            if self._files.exists(partial):
                self._files.rm_file(partial)
            raise

    def read(self, path: str) -> bytes:
        """The bytes of a file; NotFoundError when it is not there."""
        with self._reading(path):
            return bytes(self._files.cat_file(self._at(path)))

    def local(self, path: str) -> Path | None:
        """Where a file stands on this machine; None when it stands elsewhere."""
        return Path(self._root, path) if "file" in self._protocols else None

    def fetch(self, path: str, target: Path) -> None:
        """Copy a file to this machine; NotFoundError when it is not there."""
        with self._reading(path):
            self._files.get_file(self._at(path), str(target))

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        with self._doing(f"the artifact {path} cannot be looked for"):
            return bool(self._files.exists(self._at(path)))

    def blocks(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, block by block; NotFoundError before the first when it is not there."""
        blocks = self._blocks(path)
        return chain([next(blocks, b"")], blocks)

    def _blocks(self, path: str) -> Iterator[bytes]:
        with self._reading(path), self._files.open(self._at(path), "rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def paths(self) -> list[str]:
        """Every file there is."""
        with self._doing("the artifacts cannot be listed"):
            return [str(name).removeprefix(f"{self._root}/") for name in self._files.find(self._root)]

    def written_at(self, path: str) -> float:
        """When a file was written, in seconds since 1970 by the clock of where it stands; NotFoundError as above."""
        with self._reading(path):
            return float(self._files.modified(self._at(path)).timestamp())

    def remove(self, path: str) -> bool:
        """Remove a file that no record points to; whether it is gone. What is not is an orphan, see orphans.py."""
        return self._removed(path, self._files.rm_file)

    def remove_folder(self, path: str) -> bool:
        """The same with a folder and all in it."""
        return self._removed(path, lambda target: self._files.rm(target, recursive=True))

    def _removed(self, path: str, remove: Callable[[str], None]) -> bool:
        try:
            remove(self._at(path))
        except FileNotFoundError:
            return True
        # Whoever removes has done what it was to do, in the database; it is not to fail for what is only in the way.
        except self._failures as error:
            _log.warning("an artifact is left behind", path=path, error=str(error))
            return False
        return True

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        with self._doing(f"the artifact {path} cannot be read"):
            try:
                yield
            except FileNotFoundError:
                raise NotFoundError(f"the artifact {path} is not in REGSWEEP_ARTIFACTS_URL") from None

    @contextmanager
    def _doing(self, failed: str) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise ArtifactError(f"{failed}: {error}") from error


def _failures(protocols: set[str]) -> tuple[type[Exception], ...]:
    """What a file system raises when its files cannot be reached."""
    if "s3" not in protocols:
        return (OSError,)
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError

    # s3fs turns S3's own answers into OSError; that there was none comes as botocore's and aiohttp's.
    return OSError, BotoCoreError, ClientError


def checkpoints_folder(study_id: int) -> str:
    """Where the state of a study's running trials is kept."""
    return f"{study_folder(study_id)}/checkpoints"


def preparation_path(study_id: int, fold: int) -> str:
    """Where the preprocessing is kept that was fitted on a fold of a study's data."""
    return f"{study_folder(study_id)}/preparation-{fold}.skops"


def report_folder(study_id: int, kind: str) -> str:
    """Where the report of a study that has ended is kept in one format."""
    return f"{study_folder(study_id)}/report-{kind}"


def study_folder(study_id: int) -> str:
    """Where everything of a study is kept."""
    return f"studies/{study_id}"
