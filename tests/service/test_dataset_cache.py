"""The datasets that a machine keeps of S3 do not fill its disk, and each is fetched once."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.storage.artifacts import Artifacts
from service.storage.dataset_files import DatasetFiles, file_path
from tests.s3 import S3


def test_what_was_used_longest_ago_goes_first_and_nothing_that_may_be_in_use(tmp_path: Path) -> None:
    artifacts, source, cache = Artifacts("memory://cached"), tmp_path / "source", tmp_path / "cache"
    source.write_bytes(b"x" * 100)
    digests = [str(number) * 64 for number in range(5)]
    for digest in digests:
        artifacts.put(file_path(digest), source)
    files = DatasetFiles(artifacts, cache, 250)
    for digest, hours in zip(digests[:4], (4, 3, 2, 0), strict=True):
        past = time.time() - 3600 * hours
        os.utime(files(digest), (past, past))
    files(digests[0])  # the oldest is used again
    files(digests[4])
    kept = {path.name for path in (cache / "datasets").iterdir()}
    assert kept == {digests[0], digests[3], digests[4]}
    assert files(digests[1]).read_bytes() == b"x" * 100


class Slow(Artifacts):
    """Files that take their time: until everybody who wants one has asked."""

    def __init__(self, url: str, readers: int) -> None:
        super().__init__(url)
        self.fetched: list[str] = []
        self._readers, self._asked = readers, threading.Semaphore(0)

    def local(self, path: str) -> Path | None:
        self._asked.release()
        return super().local(path)

    def fetch(self, path: str, target: Path) -> None:
        self.fetched.append(path)
        for _ in range(self._readers):
            assert self._asked.acquire(timeout=30)
        super().fetch(path, target)


def test_workers_of_one_machine_that_want_a_dataset_at_once_fetch_it_once(tmp_path: Path, s3: S3) -> None:
    artifacts, source = Slow(s3.bucket(), readers=3), tmp_path / "source"
    source.write_bytes(b"x" * 100)
    digest = "a" * 64
    artifacts.put(file_path(digest), source)
    with ThreadPoolExecutor(3) as pool:  # each worker has its own object, and its own descriptor of the lock
        found = [pool.submit(DatasetFiles(artifacts, tmp_path / "cache", 250), digest) for _ in range(3)]
    assert {file.result().read_bytes() for file in found} == {source.read_bytes()}
    assert artifacts.fetched == [file_path(digest)]
