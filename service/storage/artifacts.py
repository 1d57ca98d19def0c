"""Models and other files, kept anywhere fsspec reaches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from service.errors import NotFoundError


class Artifacts:
    """A folder of files under one fsspec URL; a file is there whole or not at all."""

    def __init__(self, url: str) -> None:
        import fsspec

        files, root = fsspec.core.url_to_fs(url)
        self._files: Any = files
        self._root = str(root).rstrip("/")

    def put(self, path: str, source: Path) -> None:
        """Keep a local file under a path."""
        target = f"{self._root}/{path}"
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        # A rename within one folder is atomic on a file system; object stores show an object only when it is whole.
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
        try:
            return bytes(self._files.cat_file(f"{self._root}/{path}"))
        except FileNotFoundError:
            raise NotFoundError(f"the artifact {path} is not in REGSWEEP_ARTIFACTS_URL") from None

    def local(self, path: str) -> Path | None:
        """Where a file stands on this machine; None when it stands elsewhere."""
        here = "file" in (self._files.protocol if isinstance(self._files.protocol, tuple) else (self._files.protocol,))
        return Path(self._root, path) if here else None

    def fetch(self, path: str, target: Path) -> None:
        """Copy a file to this machine; NotFoundError when it is not there."""
        try:
            self._files.get_file(f"{self._root}/{path}", str(target))
        except FileNotFoundError:
            raise NotFoundError(f"the artifact {path} is not in REGSWEEP_ARTIFACTS_URL") from None

    def has(self, path: str) -> bool:
        """Whether a file is there."""
        return bool(self._files.exists(f"{self._root}/{path}"))

    def blocks(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, block by block."""
        with self._files.open(f"{self._root}/{path}", "rb") as file:
            while block := file.read(1 << 20):
                yield block

    def remove(self, path: str) -> None:
        """Remove a file; nothing happens when it is not there."""
        if self._files.exists(f"{self._root}/{path}"):
            self._files.rm_file(f"{self._root}/{path}")

    def remove_folder(self, path: str) -> None:
        """Remove a folder and all in it; nothing happens when it is not there."""
        target = f"{self._root}/{path}"
        if self._files.exists(target):
            self._files.rm(target, recursive=True)


def checkpoints_folder(study_id: int) -> str:
    """Where the state of a study's running trials is kept."""
    return f"{study_folder(study_id)}/checkpoints"


def preparation_path(study_id: int, fold: int) -> str:
    """Where the preprocessing is kept that was fitted on a fold of a study's data."""
    return f"{study_folder(study_id)}/preparation-{fold}.skops"


def study_folder(study_id: int) -> str:
    """Where everything of a study is kept."""
    return f"studies/{study_id}"
