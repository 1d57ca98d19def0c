"""`regsweep keys`, servers that need one, and commands that send one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.service.commanding import Completed, run_command
from tests.service.conftest import served, settings_in

KEY = re.compile(r"rgs_([0-9a-f]{12})_[0-9a-f]{64}\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def keys(folder: Path) -> Iterator[KeyStore]:
    store = Store(settings_in(folder).database_url)
    yield KeyStore(store)
    store.close()


@pytest.fixture(scope="module")
def url(folder: Path, keys: KeyStore) -> Iterator[str]:
    """A service that asks for keys."""
    keys.create("first", "read")
    with served(settings_in(folder)) as api:
        yield str(api.base_url)


def regsweep(folder: Path, *arguments: str, **variables: str) -> Completed:
    """Run the command."""
    return run_command(*arguments, REGSWEEP_DATABASE_URL=settings_in(folder).database_url, **variables)


def test_a_key_is_printed_once_listed_and_revoked(folder: Path, keys: KeyStore) -> None:
    made = regsweep(folder, "keys", "create", "alice", "--scope", "submit", "--days", "90")
    found = KEY.fullmatch(made.stdout)
    assert found, made.stderr
    [line] = [line for line in regsweep(folder, "keys", "list").stdout.splitlines() if "alice" in line]
    assert re.fullmatch(rf"{found[1]}\talice\tsubmit\tevery project\tmade [\d-]+\tnever used\texpires [\d-]+", line)
    assert regsweep(folder, "keys", "revoke", found[1]).returncode == 0
    assert keys.find_usable(found[1]) is None
    assert re.search(r"alice\t.*\trevoked [\d-]+\n", regsweep(folder, "keys", "list").stdout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", ""), "NAME: must be 1 to 100 printable characters"),
        (("create", "a\tb"), "NAME: must be 1 to 100 printable characters"),
        (("create", "x", "--days", "0"), "--days: must be more than 0"),
        (("create", "x", "--days", "nan"), "--days: must be more than 0"),
        (("revoke", "nobody"), "there is no key 'nobody'; `regsweep keys list` shows the ids"),
    ],
)
@pytest.mark.usefixtures("keys")  # without a database there is nothing to revoke
def test_what_cannot_be_a_key_is_one_line_and_exit_2(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    refused = regsweep(folder, "keys", *arguments)
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"regsweep: {words}\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104  # it must not listen there
def test_a_server_that_others_reach_does_not_start_without_a_key(tmp_path: Path, host: str) -> None:
    refused = regsweep(tmp_path, "serve", "--host", host, "--port", "0", "--workers", "0")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert "there is no key; make one with `regsweep keys create NAME --scope admin`" in refused.stderr


def test_a_command_sends_its_key(folder: Path, url: str, keys: KeyStore, tmp_path: Path) -> None:
    key = keys.create("by command", "read").text
    (tmp_path / "key").write_text(f"{key}\n")
    server = {"REGSWEEP_SERVER_URL": url}
    for arguments, variables in (
        (("--key", key), server),
        ((), server | {"REGSWEEP_KEY": key}),
        ((), server | {"REGSWEEP_KEY_FILE": str(tmp_path / "key")}),
    ):
        listed = regsweep(folder, "datasets", "list", *arguments, **variables)
        assert listed.returncode == 0, listed.stderr
        assert "iris" in listed.stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "a key is needed; give one with --key, REGSWEEP_KEY or REGSWEEP_KEY_FILE"),
        (
            {"REGSWEEP_KEY": f"rgs_{'0' * 12}_{'0' * 64}"},
            "this key is not known, was revoked, or has expired; give one",
        ),
        ({"REGSWEEP_KEY": "hunter2"}, "REGSWEEP_KEY: holds no key; give one whole, as `regsweep keys create` printed"),
        ({"REGSWEEP_KEY_FILE": "/nowhere"}, "REGSWEEP_KEY_FILE: cannot read /nowhere: No such file"),
    ],
)
def test_a_command_without_a_good_key_says_how_to_give_one(
    folder: Path, url: str, variables: dict[str, str], words: str
) -> None:
    refused = regsweep(folder, "studies", "--server", url, **variables)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1), refused.stderr
    assert refused.stderr.startswith(f"regsweep: {words}")


def test_workers_are_not_told_the_key() -> None:
    from service.settings import Settings

    settings = Settings(key="rgs_secret")
    assert "REGSWEEP_KEY" not in settings.environment()
    assert "secret" not in repr(settings)


def test_an_open_server_takes_a_key_of_another(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        headers = {"Authorization": f"Bearer rgs_{'0' * 12}_{'0' * 64}"}
        assert httpx.get(f"{api.base_url}/v1/studies", headers=headers).status_code == 200
