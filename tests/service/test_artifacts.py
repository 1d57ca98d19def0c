"""A file is there whole or not at all, in a folder and on S3; a place that does not answer is one clear sentence."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from service.api.app import create_app
from service.errors import ArtifactError, NotFoundError
from service.settings import Settings
from service.storage.artifacts import Artifacts
from tests.s3 import S3

MODEL = "studies/1/trials/0.keras"


@pytest.fixture
def artifacts(artifacts_url: str) -> Artifacts:
    return Artifacts(artifacts_url)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    path.write_bytes(b"weights")
    return path


def test_a_file_reads_back_as_it_was_put(artifacts: Artifacts, source: Path, tmp_path: Path) -> None:
    artifacts.put(MODEL, source)
    artifacts.fetch(MODEL, tmp_path / "copy")
    assert artifacts.read(MODEL) == b"".join(artifacts.blocks(MODEL)) == (tmp_path / "copy").read_bytes() == b"weights"
    assert artifacts.paths() == [MODEL]
    assert artifacts.has(MODEL)
    assert not artifacts.has("studies/1/trials/1.keras")


def test_a_large_file_comes_in_blocks(artifacts: Artifacts, source: Path) -> None:
    content = bytes(range(256)) * 12_000
    source.write_bytes(content)
    artifacts.put(MODEL, source)
    blocks = list(artifacts.blocks(MODEL))
    assert len(blocks) > 1
    assert b"".join(blocks) == content


def test_an_empty_file_is_a_file(artifacts: Artifacts, source: Path) -> None:
    source.write_bytes(b"")
    artifacts.put(MODEL, source)
    assert b"".join(artifacts.blocks(MODEL)) == artifacts.read(MODEL) == b""


def test_a_file_put_again_is_replaced(artifacts: Artifacts, source: Path) -> None:
    artifacts.put(MODEL, source)
    source.write_bytes(b"better weights")
    artifacts.put(MODEL, source)
    assert artifacts.read(MODEL) == b"better weights"
    assert artifacts.paths() == [MODEL]


def test_what_another_process_writes_is_seen(artifacts_url: str, source: Path) -> None:
    ours = Artifacts(artifacts_url)
    theirs, root = fsspec.core.url_to_fs(artifacts_url, skip_instance_cache=True)
    ours.put("studies/1/trials/1.keras", source)
    assert (ours.has(MODEL), len(ours.paths())) == (False, 1)
    theirs.put_file(str(source), f"{root}/{MODEL}")
    assert (ours.has(MODEL), len(ours.paths())) == (True, 2)
    theirs.rm_file(f"{root}/{MODEL}")
    assert (ours.has(MODEL), len(ours.paths())) == (False, 1)


def test_a_removed_folder_takes_its_files_and_no_others(artifacts: Artifacts, source: Path) -> None:
    for study in (1, 1, 10):
        artifacts.put(f"studies/{study}/trials/0.keras", source)
    assert artifacts.remove_folder("studies/1")
    assert artifacts.paths() == ["studies/10/trials/0.keras"]


def test_removing_what_is_not_there_does_nothing(artifacts: Artifacts, source: Path) -> None:
    artifacts.put("studies/2/trials/0.keras", source)
    assert artifacts.remove_folder("studies/1")
    assert artifacts.remove(MODEL)
    assert artifacts.paths() == ["studies/2/trials/0.keras"]


READINGS: dict[str, Callable[[Artifacts, Path], object]] = {
    "read": lambda artifacts, _: artifacts.read(MODEL),
    "blocks": lambda artifacts, _: artifacts.blocks(MODEL),
    "fetch": lambda artifacts, folder: artifacts.fetch(MODEL, folder / "copy"),
    "written_at": lambda artifacts, _: artifacts.written_at(MODEL),
}


@pytest.mark.parametrize("reading", READINGS)
def test_a_file_that_is_not_there_is_not_found(artifacts: Artifacts, tmp_path: Path, reading: str) -> None:
    with pytest.raises(NotFoundError, match=r"the artifact studies/1/trials/0\.keras is not in REGSWEEP_ARTIFACTS_URL"):
        READINGS[reading](artifacts, tmp_path)
    assert not (tmp_path / "copy").exists()


def test_a_put_of_nothing_leaves_nothing_behind(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"the artifact a/b\.keras cannot be written: .*missing"):
        artifacts.put("a/b.keras", tmp_path / "missing.keras")
    assert artifacts.paths() == []


def test_a_put_that_cannot_read_its_file_leaves_what_was_there(artifacts: Artifacts, source: Path) -> None:
    artifacts.put("a/b.keras", source)
    with pytest.raises(ArtifactError, match=r"\[Errno"):
        artifacts.put("a/b.keras", Path("/proc/self/mem"))  # opens, and cannot be read
    assert artifacts.paths() == ["a/b.keras"]
    assert artifacts.read("a/b.keras") == b"weights"


def test_a_disk_that_is_full_half_way_leaves_what_was_there(folder: Path, source: Path) -> None:
    artifacts = Artifacts(f"file://{folder}")
    artifacts.put(MODEL, source)
    source.write_bytes(b"x" * 1_000_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        with pytest.raises(ArtifactError, match="File too large"):
            artifacts.put(MODEL, source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert artifacts.paths() == [MODEL]
    assert artifacts.read(MODEL) == b"weights"


EFFECTS: dict[str, Callable[[Artifacts, Path], object]] = READINGS | {
    "put": lambda artifacts, source: artifacts.put(MODEL, source),
    "has": lambda artifacts, _: artifacts.has(MODEL),
    "paths": lambda artifacts, _: artifacts.paths(),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_server_that_does_not_answer_is_one_sentence(s3: S3, tmp_path: Path, source: Path, effect: str) -> None:
    artifacts = Artifacts(s3.bucket())
    artifacts.put(MODEL, source)
    with s3.away(), pytest.raises(ArtifactError, match=r"^the artifact.* cannot be .*: Could not connect"):
        EFFECTS[effect](artifacts, source if effect == "put" else tmp_path)
    assert artifacts.read(MODEL) == b"weights"


def test_what_cannot_be_removed_now_stays_and_breaks_nothing(s3: S3, source: Path) -> None:
    artifacts = Artifacts(s3.bucket())
    artifacts.put(MODEL, source)
    with s3.away():
        assert not artifacts.remove(MODEL)
        assert not artifacts.remove_folder("studies/1")
    assert artifacts.paths() == [MODEL]


def test_a_bucket_that_is_not_there_is_said(s3: S3, source: Path) -> None:
    artifacts = Artifacts("s3://nobodys-bucket/regsweep")
    with pytest.raises(ArtifactError, match="cannot be written: The specified bucket does not exist"):
        artifacts.put(MODEL, source)
    with pytest.raises(ArtifactError, match="cannot be listed: The specified bucket does not exist"):
        artifacts.paths()


def test_missing_keys_are_said(s3: S3, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = s3.bucket()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # one that is kept goes on with the keys it found
    with pytest.raises(ArtifactError, match="cannot be written: Unable to locate credentials"):
        Artifacts(url).put(MODEL, source)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize("url", ["nonsense://folder", "gs://bucket"])
def test_a_url_that_makes_no_sense_is_refused_before_anything_starts(url: str) -> None:
    with pytest.raises(ArtifactError, match="REGSWEEP_ARTIFACTS_URL: "):
        create_app(Settings(artifacts_url=url, workers=0))
