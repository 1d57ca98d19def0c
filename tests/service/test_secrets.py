"""Secrets: files that only their owner reads, and the key that wraps what the database keeps."""

from __future__ import annotations

import stat
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic_settings import SettingsError

from service.errors import SecretKeyError
from service.secret_wrapping import Wrapper, open_wrapper
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.backup import backup
from service.storage.store import Store
from tests.postgresql import PostgreSQL
from tests.service.commanding import run_command
from tests.service.conftest import served, settings_in
from tests.service.documents import document

OLD, NEW = (
    urlsafe_b64encode(bytes([number]) * 32).decode() for number in (1, 2)
)  # the same in all of xdist's processes


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


# Files


def test_the_database_what_sqlite_keeps_beside_it_and_its_copies_are_their_owners_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    with served(settings) as api:
        api.post("/v1/studies", json=document()).raise_for_status()
        modes = {file.name: mode(file) for file in (tmp_path / "data").glob("regsweep.db*") if file.suffix != ".lock"}
        assert modes == dict.fromkeys(("regsweep.db", "regsweep.db-wal", "regsweep.db-shm"), "0600")
        backup(settings.database_url, tmp_path / "copy.db")
    assert (mode(tmp_path / "copy.db"), mode(tmp_path / "data")) == ("0600", "0700")


def test_a_dump_of_postgresql_is_its_owners_alone(
    postgresql_template: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(postgresql_template.programs), prepend=":")
    backup(postgresql_template.url("prepared"), tmp_path / "copy.dump")
    assert mode(tmp_path / "copy.dump") == "0600"


@pytest.mark.parametrize(("before", "after"), [(0o644, "0600"), (0o664, "0660"), (0o660, "0660"), (0o600, "0600")])
def test_a_database_that_others_could_read_is_closed_to_them_when_it_is_opened(
    tmp_path: Path,
    database: Path,
    before: int,
    after: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    Store(f"sqlite:///{database}").close()
    database.chmod(before)
    Store(f"sqlite:///{database}").close()
    assert mode(database) == after
    assert ("others could read this file" in capfd.readouterr().out + caplog.text) == (f"{before:04o}" != after)


def test_the_folder_of_artifacts_is_its_owners_alone_and_one_that_was_there_is_warned_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("content")
    Artifacts(f"file://{tmp_path / 'artifacts'}").put("studies/1/model", tmp_path / "file")
    assert mode(tmp_path / "artifacts") == "0700"
    for open_to_others in (False, True):
        (tmp_path / "artifacts").chmod(0o755 if open_to_others else 0o700)
        with served(settings_in(tmp_path)):
            pass
        assert (f"chmod 700 {tmp_path / 'artifacts'}" in capfd.readouterr().out + caplog.text) == open_to_others
    assert mode(tmp_path / "artifacts") == "0755"


# Wrapping


def test_what_is_wrapped_is_read_with_the_key_and_not_without(tmp_path: Path) -> None:
    wrapper = open_wrapper(settings_in(tmp_path))
    wrapped = wrapper.wrap("whsec_größe")
    assert "whsec" not in wrapped
    assert open_wrapper(settings_in(tmp_path)).unwrap(wrapped) == "whsec_größe"  # the key was made once
    with pytest.raises(SecretKeyError, match="wrapped with another key"):
        Wrapper(NEW).unwrap(wrapped)


def test_the_first_key_wraps_and_each_unwraps() -> None:
    old, both, new = Wrapper(OLD), Wrapper(f"{NEW}, {OLD}"), Wrapper(NEW)
    assert both.unwrap(old.wrap("secret")) == "secret"
    assert new.unwrap(both.wrap("secret")) == "secret"


def test_the_file_of_the_key_is_made_once_for_all_is_its_owners_alone_and_in_no_backup(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        wrapped = [made.result().wrap("x") for made in [pool.submit(open_wrapper, settings) for _ in range(8)]]
    assert [file.name for file in tmp_path.iterdir()] == ["secret.key"]
    assert mode(tmp_path / "secret.key") == "0600"
    assert {open_wrapper(settings).unwrap(one) for one in wrapped} == {"x"}
    Store(settings.database_url).close()
    backup(settings.database_url, tmp_path / "kept" / "copy.db")
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["copy.db"]
    assert (tmp_path / "secret.key").read_bytes() not in (tmp_path / "kept" / "copy.db").read_bytes()


def test_a_file_of_the_key_that_others_may_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_wrapper(settings_in(tmp_path))
    (tmp_path / "secret.key").chmod(0o640)
    with pytest.raises(SecretKeyError, match=r"others may read .*secret\.key.*; chmod 600"):
        open_wrapper(settings_in(tmp_path))
    named = tmp_path / "named"
    named.write_text(f"{NEW}\n")
    monkeypatch.setenv("REGSWEEP_SECRET_KEY_FILE", str(named))
    named.chmod(0o644)
    with pytest.raises(SettingsError, match=f"REGSWEEP_SECRET_KEY_FILE: others may read {named}; chmod 600"):
        settings_in(tmp_path)
    named.chmod(0o600)
    assert Wrapper(NEW).unwrap(open_wrapper(settings_in(tmp_path)).wrap("x")) == "x"
    assert NEW not in repr(settings_in(tmp_path))
    assert NEW not in str(settings_in(tmp_path).environment())


def test_a_database_that_is_no_file_needs_a_key_that_is_set() -> None:
    with pytest.raises(SecretKeyError, match="REGSWEEP_SECRET_KEY: must be set"):
        open_wrapper(Settings(database_url="postgresql+psycopg://x@y/z"))


@pytest.mark.parametrize("keys", ["", "hunter2", f"{OLD},", f"{OLD},x"])
def test_what_is_no_key_is_told_without_repeating_it(keys: str) -> None:
    with pytest.raises(SecretKeyError, match="REGSWEEP_SECRET_KEY: must hold 32 bytes") as refused:
        Wrapper(keys)
    assert "hunter2" not in str(refused.value)
    assert OLD not in str(refused.value)


def test_a_command_says_which_file_of_a_key_others_may_read(tmp_path: Path) -> None:
    (tmp_path / "named").write_text(NEW)
    (tmp_path / "named").chmod(0o644)
    refused = run_command("studies", REGSWEEP_SECRET_KEY_FILE=str(tmp_path / "named"))
    assert (refused.returncode, "others may read" in refused.stderr) == (2, True)
