"""The files of programs that XLA has compiled, by program, in a folder that the workers of a machine share.

XLA reads and writes one folder as it likes: a file that was cut off breaks every later start of its program. So each
worker gives it a folder of its own, brings in what is known of a program before XLA looks, and keeps what XLA wrote
only when it is whole.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)

_MAX_PROGRAMS = 200  # a file is about a megabyte
_MAX_WAIT = 120.0  # seconds for another worker's compiling, which may have been stopped in the middle


class CompiledFiles:
    """The shared folder, and this worker's own inside, which is XLA's."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that no other worker uses.

        Raises OSError when the folder cannot be written.
        """
        self._folder, self._kept = folder, folder / "kept"
        self._kept.mkdir(parents=True, exist_ok=True)
        self.own, self._lock = _free_folder(folder / "workers")
        with _warning("old programs are not forgotten"):  # another worker may be forgetting them
            self._forget_oldest()

    def has(self, key: object) -> bool:
        """Return whether a program is kept."""
        return any(self._folder_of(key).glob("*.pb"))

    @contextmanager
    def compiling(self, key: object, *, anew: bool = False) -> Iterator[None]:
        """Compile one program inside, while the other workers that want it wait; `anew` forgets what is known of it."""
        kept = self._folder_of(key)
        with ExitStack() as stack:
            # What fails here costs only time.
            with _warning("workers may compile the same program side by side"):
                # Few files: to wait for another program does no harm.
                stack.enter_context(FileLock(self._folder / "locks" / f"{kept.name[:2]}.lock", timeout=_MAX_WAIT))
            with _warning("compiled programs are not read"):
                if anew:
                    shutil.rmtree(kept, ignore_errors=True)
                self._bring_in(kept)
            yield
            with _warning("a compiled program is not kept"):
                self._keep(kept)

    def _folder_of(self, key: object) -> Path:
        return self._kept / hashlib.sha256(str(key).encode()).hexdigest()[:24]

    def _bring_in(self, kept: Path) -> None:
        _empty(self.own)  # of what a failure left
        if kept.is_dir():
            os.utime(kept)  # the least recently used go first
            for file in kept.glob("*.pb"):
                shutil.copy(file, self.own)

    def _keep(self, kept: Path) -> None:
        kept.mkdir(parents=True, exist_ok=True)
        for file in self.own.glob("*.pb"):
            if not (kept / file.name).exists():
                file.replace(kept / file.name)  # in one step, so that what is there is whole
        _empty(self.own)

    def _forget_oldest(self) -> None:
        by_age = sorted(self._kept.iterdir(), key=lambda kept: kept.stat().st_mtime)
        for kept in by_age[:-_MAX_PROGRAMS]:
            shutil.rmtree(kept, ignore_errors=True)


def _free_folder(folder: Path, number: int = 0) -> tuple[Path, FileLock]:
    """The first free folder from a number on, emptied, and the lock that keeps others out as long as this one lives."""
    lock = FileLock(folder / f"{number}.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        return _free_folder(folder, number + 1)
    own = folder / str(number)
    _empty(own)
    return own, lock


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()


@contextmanager
def _warning(words: str) -> Iterator[None]:
    try:
        yield
    except (OSError, Timeout) as error:
        _log.warning("%s: %s", words, error)
