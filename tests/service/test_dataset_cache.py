"""The datasets that a machine keeps of S3 do not fill its disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from service.storage.artifacts import Artifacts
from service.storage.dataset_files import DatasetFiles, file_path


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
