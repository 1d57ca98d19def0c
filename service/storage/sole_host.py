"""Keeps an SQLite database on a network file system to one host.

SQLite's write-ahead log needs memory that all processes share (https://sqlite.org/wal.html), which those of two hosts
do not: they would damage the database without an error. So each process holds a shared lock on a file beside it that
names the host, and only who holds it alone may write another host's name.
"""

from __future__ import annotations

import fcntl
import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog

from service.errors import StorageError

_log = structlog.get_logger(__name__)
#: File systems, as Linux names them, that several hosts may have mounted, with locks that reach all of them.
_SHARED = frozenset(
    {"ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3"}
)
#: Those whose locks may end at this host: whether another uses the database cannot be known.
_WITHOUT_LOCKS = frozenset(
    {"9p", "beegfs", "fuse.gcsfuse", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "prl_fs", "vboxsf", "virtiofs"}
)
_LOCAL_LOCKS = frozenset({"local_lock=all", "local_lock=flock", "nolock"})  # options of a mount
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS = Path("/proc/self/mounts")
_PATIENCE_SECONDS = 1.0  # while other processes of this host take the lock too


@dataclass(frozen=True, slots=True)
class Host:
    """A running kernel, which all containers of a machine share, and a name to tell people."""

    boot: str
    name: str

    @classmethod
    def this(cls) -> Host:
        """The one that this process runs on."""
        return cls(_BOOT.read_text().strip() if _BOOT.exists() else platform.node(), platform.node())


def hold(database: Path, host: Host | None = None, mounts: str | None = None) -> int | None:
    """Hold a database for this host until the descriptor that is returned is closed.

    None on a file system of this host alone, or where the folder cannot be written. `mounts` is as /proc/self/mounts.

    Raises StorageError when another host uses the database, or when the file system has no locks.
    """
    path = database.resolve()
    kind, options = _file_system(path, _mounts() if mounts is None else mounts)
    if kind in _WITHOUT_LOCKS or (kind in _SHARED and _LOCAL_LOCKS & options):
        _say_once(str(path), kind)
        return None
    if kind not in _SHARED:
        return None
    with suppress(PermissionError, FileNotFoundError):  # SQLite says what is wrong
        descriptor = os.open(f"{path}.host", os.O_RDWR | os.O_CREAT, 0o660)
        try:
            _lock(descriptor, host or Host.this(), path, kind)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    return None


def _lock(descriptor: int, host: Host, path: Path, kind: str) -> None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        is_ours = _holder(descriptor).boot == host.boot
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if is_ours else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise StorageError(
                    f"{path} is on {kind}, and the host {_holder(descriptor).name or 'that made it'} uses it: an "
                    "SQLite database serves one host. Stop what runs there; or, for workers on several hosts, take "
                    "PostgreSQL (REGSWEEP_DATABASE_URL) and S3 (REGSWEEP_ARTIFACTS_URL)"
                ) from None
            time.sleep(0.05)
            continue
        except OSError as error:
            raise StorageError(
                f"{path} is on {kind}, where files cannot be locked ({error.strerror}), which SQLite needs; put it "
                "on a disk of this host, or take PostgreSQL (REGSWEEP_DATABASE_URL)"
            ) from error
        if not is_ours:
            # Then share the lock, which lets go of it for a moment: another host may have come first.
            os.pwrite(descriptor, f"{host.boot}\n{host.name}\n".encode().ljust(512), 0)
            os.fsync(descriptor)
        elif _holder(descriptor).boot == host.boot:  # still, now that nobody may write it
            return


def _holder(descriptor: int) -> Host:
    boot, _, rest = os.pread(descriptor, 512, 0).decode(errors="replace").partition("\n")
    return Host(boot, rest.strip())


def _file_system(path: Path, mounts: str) -> tuple[str, frozenset[str]]:
    """The kind and the options of the file system that a path is on; an empty kind when nothing says."""
    found: tuple[int, str, frozenset[str]] = (0, "", frozenset())
    for line in mounts.splitlines():
        _, point, kind, options, *_ = line.split(" ")
        folder = Path(point.encode().decode("unicode_escape"))  # a space is written \040
        depth = len(folder.parts)
        if path.is_relative_to(folder) and depth >= found[0]:  # the last of those on one point lies on top
            found = depth, kind, frozenset(options.split(","))
    return found[1:]


def _mounts() -> str:
    return _MOUNTS.read_text() if _MOUNTS.exists() else ""


@cache
def _say_once(path: str, kind: str) -> None:
    _log.info("locks may end at this host: use this database from no other", file=path, file_system=kind)
