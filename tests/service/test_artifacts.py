"""A file is there whole or not at all, on every file system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from service.errors import NotFoundError
from service.storage.artifacts import Artifacts


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{tmp_path / 'artifacts'}"
        return
    root = f"memory://{uuid4().hex}"
    yield root
    files, path = fsspec.core.url_to_fs(root)
    if files.exists(path):
        files.rm(path, recursive=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    path.write_bytes(b"weights")
    return path


def _files(url: str) -> list[str]:
    files, root = fsspec.core.url_to_fs(url)
    return sorted(path.removeprefix(root).lstrip("/") for path in files.find(root))


def test_a_file_reads_back_as_it_was_put(url: str, source: Path) -> None:
    artifacts = Artifacts(url)
    artifacts.put("studies/1/trials/0.keras", source)
    assert artifacts.read("studies/1/trials/0.keras") == b"weights"
    assert _files(url) == ["studies/1/trials/0.keras"]


def test_a_file_put_again_is_replaced(url: str, source: Path) -> None:
    artifacts = Artifacts(url)
    artifacts.put("a/b.keras", source)
    source.write_bytes(b"better weights")
    artifacts.put("a/b.keras", source)
    assert artifacts.read("a/b.keras") == b"better weights"


def test_a_removed_folder_takes_its_files_and_no_others(url: str, source: Path) -> None:
    artifacts = Artifacts(url)
    artifacts.put("studies/1/trials/0.keras", source)
    artifacts.put("studies/10/trials/0.keras", source)
    artifacts.remove_folder("studies/1")
    assert _files(url) == ["studies/10/trials/0.keras"]


def test_removing_what_is_not_there_does_nothing(url: str, source: Path) -> None:
    artifacts = Artifacts(url)
    artifacts.put("studies/2/trials/0.keras", source)
    artifacts.remove_folder("studies/1")
    assert _files(url) == ["studies/2/trials/0.keras"]


def test_a_file_that_is_not_there_is_not_found(url: str) -> None:
    with pytest.raises(NotFoundError, match=r"studies/1/trials/0\.keras"):
        Artifacts(url).read("studies/1/trials/0.keras")


def test_a_put_that_fails_leaves_nothing_behind(url: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        Artifacts(url).put("a/b.keras", tmp_path / "missing.keras")
    assert _files(url) == []


def test_a_put_that_fails_half_way_leaves_no_partial_file(url: str, source: Path) -> None:
    artifacts = Artifacts(url)
    artifacts.put("a/b.keras", source)
    with pytest.raises(OSError, match=r"\[Errno"):
        artifacts.put("a/b.keras", Path("/proc/self/mem"))  # opens, and cannot be read
    assert _files(url) == ["a/b.keras"]
    assert artifacts.read("a/b.keras") == b"weights"
