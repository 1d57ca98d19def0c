"""An SQLite database on a network file system serves one host at a time, and says which and what to do instead."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.errors import StorageError
from service.storage import sole_host
from service.storage.sole_host import Host
from service.storage.store import Store

HERE, THERE = Host("boot-1", "lab-1"), Host("boot-2", "lab-2")


@contextmanager
def held(database: Path, host: Host, kind: str = "nfs4", options: str = "rw") -> Iterator[int | None]:
    """Hold a database as a process of a host would, the folder being of this kind of file system."""
    folder = str(database.parent).replace(" ", "\\040")
    mounts = f"/dev/vda / ext4 rw 0 0\nserver:/home {folder} {kind} {options} 0 0\n"
    descriptor = sole_host.hold(database, host, mounts)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


@pytest.mark.parametrize("kind", ["nfs4", "cifs"])
def test_a_second_host_is_refused_with_what_to_do(database: Path, kind: str) -> None:
    with held(database, HERE, kind), pytest.raises(StorageError) as refused, held(database, THERE, kind):
        pass
    said = str(refused.value)
    assert f"{database} is on {kind}, and the host lab-1 uses it" in said
    assert "PostgreSQL (REGSWEEP_DATABASE_URL) and S3 (REGSWEEP_ARTIFACTS_URL)" in said


def test_processes_of_one_host_share_it_and_the_last_keeps_others_out(database: Path) -> None:
    with held(database, HERE), held(database, Host("boot-1", "a container")):
        pass
    with held(database, HERE) as last:
        with held(database, HERE):
            pass
        assert last is not None
        with pytest.raises(StorageError), held(database, THERE):
            pass


def test_another_host_takes_it_over_when_nobody_uses_it_and_so_does_this_one_after_a_restart(database: Path) -> None:
    for host in (HERE, THERE, Host("boot-3", "lab-1")):
        with held(database, host) as descriptor:
            assert descriptor is not None


def test_many_that_begin_at_once_on_one_host_all_hold_it(database: Path) -> None:
    with held(database, THERE):
        pass

    def begin(_: int) -> int | None:
        with held(database, HERE) as descriptor:
            return descriptor

    with ThreadPoolExecutor(8) as pool:
        assert None not in list(pool.map(begin, range(64)))


@pytest.mark.parametrize(
    ("kind", "options"), [("ext4", "rw"), ("tmpfs", "rw"), ("9p", "rw"), ("fuse.sshfs", "rw"), ("nfs", "rw,nolock")]
)
def test_a_disk_of_this_host_has_no_file_more_and_neither_has_one_whose_locks_end_here(
    database: Path, kind: str, options: str
) -> None:
    with held(database, HERE, kind, options) as first, held(database, THERE, kind, options) as second:
        assert (first, second) == (None, None)
    assert list(database.parent.iterdir()) == []


def test_a_folder_whose_name_has_a_space_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "my lab"
    folder.mkdir()
    with held(folder / "regsweep.db", HERE) as descriptor:
        assert descriptor is not None


def test_a_store_holds_its_database_until_it_is_gone(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = database.with_name("mounts")
    mounts.write_text(f"server:/home {database.parent} nfs4 rw 0 0\n")
    monkeypatch.setattr(sole_host, "_MOUNTS", mounts)
    url = f"sqlite:///{database}"
    store, beside = Store(url), Store(url)
    beside.close()
    with pytest.raises(StorageError, match=rf"the host {Host.this().name} uses it"), held(database, THERE):
        pass
    store.close()
    del store, beside
    gc.collect()
    with held(database, THERE), pytest.raises(StorageError, match="the host lab-2 uses it"):
        Store(url)
