"""Files that only their owner may read: the database with its copies, and the folder of artifacts."""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)
_FILE, _FOLDER = 0o600, 0o700
_OTHERS, _GROUP_AND_OTHERS = 0o007, 0o077
#: What SQLite keeps beside a database; new ones have the database's mode.
_BESIDE = ("", "-wal", "-shm", "-journal")


def create_private_file(path: Path) -> None:
    """Create an empty file of mode 0600; one that exists stays as it is.

    Raises OSError when it cannot be created.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE))


def create_private_folder(path: Path) -> None:
    """Create a folder of mode 0700; one that exists stays as it is, and folders above it have the usual mode.

    Raises OSError when it cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=_FOLDER, exist_ok=True)


def tighten_database(path: Path) -> None:
    """Take the rights of others off a database and what SQLite keeps beside it.

    The group keeps its own where it may write, which nobody grants by chance. Where that is refused, as to another than
    the owner, the log says so.
    """
    for file in (path.with_name(f"{path.name}{ending}") for ending in _BESIDE):
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
            wanted = mode & ~(_OTHERS if mode & stat.S_IWGRP else _GROUP_AND_OTHERS)
            if wanted != mode:
                file.chmod(wanted)
                _log.warning("others could read this file and no longer can", file=str(file), mode=f"{wanted:04o}")
        except FileNotFoundError:
            continue
        except OSError as error:
            _log.warning("others can read this file; take that right away", file=str(file), error=error.strerror)


def warn_of_open_folder(path: Path) -> None:
    """Log that others may read a folder, which may be theirs too and so stays as it is."""
    with suppress(OSError):  # a folder that cannot be looked at says so when it is used
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            _log.warning(f"others can read the folder of artifacts; chmod 700 {shlex.quote(str(path))} keeps them out")
