"""Reads that requests share: nobody sees less than what was written when it asked."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from service.api.shared_reads import SharedReads
from service.errors import NotFoundError
from service.storage.data_version import DataVersion
from service.storage.keys import KeyStore
from service.storage.store import Store


class Counted:
    """A read that waits until it may go on, and returns how often it ran."""

    def __init__(self) -> None:
        self.count = 0
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def read(self) -> int:
        self.count += 1
        self.begun.release()
        self.go_on.acquire()
        return self.count


def test_who_asks_while_a_read_runs_waits_for_one_that_begins_afterwards() -> None:
    async def ask() -> list[int]:
        reads, counted = SharedReads(lambda: None), Counted()
        first = asyncio.create_task(reads.read("study", counted.read))
        await asyncio.to_thread(counted.begun.acquire)
        later = [asyncio.create_task(reads.read("study", counted.read)) for _ in range(10)]
        await asyncio.sleep(0)  # each has asked
        counted.go_on.release(2)
        found = [await first, *await asyncio.gather(*later)]
        counted.go_on.release()
        return [*found, await reads.read("study", counted.read)]

    assert asyncio.run(ask()) == [1, *[2] * 10, 3]


def test_what_was_read_is_kept_until_somebody_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'regsweep.db'}"
    store, version = Store(url), DataVersion(url)

    async def ask() -> list[int]:
        reads, found = SharedReads(version.read), []
        for name in ("", "", "first", "", "second"):
            if name:
                KeyStore(store).create(name, "read")
            found.append(await reads.read("keys", lambda: len(KeyStore(store).list_keys())))
            found.append(await reads.read("something else", lambda: 100 + len(KeyStore(store).list_keys())))
        version.close()
        return found

    assert asyncio.run(ask()) == [0, 100, 0, 100, 1, 101, 1, 101, 2, 102]
    store.close()


def test_a_read_is_not_kept_for_long_though_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.shared_reads._KEPT_SECONDS", 0.0)
    counts = iter(range(10))

    async def ask() -> list[int]:
        reads = SharedReads(lambda: 1)
        return [await reads.read("a", lambda: next(counts)) for _ in range(3)]

    assert asyncio.run(ask()) == [0, 1, 2]


def test_an_error_reaches_all_who_share_the_read_and_is_not_kept() -> None:
    async def ask() -> list[object]:
        reads = SharedReads(lambda: 1)

        def fail() -> None:
            raise NotFoundError("there is no study 'a'")

        failed = await asyncio.gather(*(reads.read("a", fail) for _ in range(3)), return_exceptions=True)
        return [*(type(error) for error in failed), await reads.read("a", lambda: "made meanwhile")]

    assert asyncio.run(ask()) == [*[NotFoundError] * 3, "made meanwhile"]


def test_who_leaves_does_not_take_the_read_from_the_others() -> None:
    async def ask() -> int:
        reads, counted = SharedReads(lambda: None), Counted()
        leaves = asyncio.create_task(reads.read("study", counted.read))
        await asyncio.to_thread(counted.begun.acquire)
        leaves.cancel()
        stays = asyncio.create_task(reads.read("study", counted.read))
        await asyncio.sleep(0)
        counted.go_on.release(2)
        return await stays

    assert asyncio.run(ask()) == 2


def test_a_database_without_such_a_number_has_none() -> None:
    assert DataVersion("postgresql+psycopg://nobody@192.0.2.1/nothing").read() is None
    assert DataVersion("sqlite:////nowhere/regsweep.db").read() is None
