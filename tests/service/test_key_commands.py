"""`regsweep keys`, servers that need one, and commands that send one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from service.api_keys import ApiKey
from service.errors import UnauthenticatedError
from service.storage.keys import KeyStore
from tests.service.commanding import Completed, run_command
from tests.service.conftest import served, settings_in

DURATION = "must be a number with s, m, h, d or w, as 24h or 90d, of at most 100 years"
OTHER_NAME = "choose another name, or give it a new secret: `regsweep keys rotate`"
KEY = re.compile(r"rgs_([0-9a-f]{12})_[0-9a-f]{64}\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


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
    made = regsweep(folder, "keys", "create", "alice", "--scope", "submit", "--expires", "90d")
    found = KEY.fullmatch(made.stdout)
    assert found, made.stderr
    in_90_days = (datetime.now(UTC) + timedelta(days=90)).strftime("%Y-%m-%d")
    [line] = [line for line in regsweep(folder, "keys", "list").stdout.splitlines() if "alice" in line]
    facts = rf"submit\tevery project\tmade [\d-]+\tnever used\texpires {in_90_days}\tsessions 0"
    assert re.fullmatch(rf"{found[1]}\talice\t{facts}", line)
    assert regsweep(folder, "keys", "revoke", "alice").returncode == 0
    with pytest.raises(UnauthenticatedError, match="was revoked"):
        keys.authenticate(held(made))
    assert re.search(r"alice\t.*\trevoked [\d-]+\tsessions 0\n", regsweep(folder, "keys", "list").stdout)


def held(made: Completed) -> ApiKey:
    key = ApiKey.parse(made.stdout.strip())
    assert key is not None
    return key


def test_a_key_that_is_rotated_keeps_its_id_and_its_old_secret_for_the_grace_only(folder: Path, keys: KeyStore) -> None:
    old = held(regsweep(folder, "keys", "create", "ci"))
    new = held(regsweep(folder, "keys", "rotate", "ci", "--grace", "1h"))
    assert (new.id, new.secret == old.secret) == (old.id, False)
    assert keys.authenticate(old).id == keys.authenticate(new).id
    newest = held(regsweep(folder, "keys", "rotate", new.id, "--grace", "0s"))
    keys.authenticate(newest)
    with pytest.raises(UnauthenticatedError, match="this key was replaced by a new one"):
        keys.authenticate(new)
    with pytest.raises(UnauthenticatedError, match="this key is not known"):  # only the one before is kept
        keys.authenticate(old)


def test_a_key_that_has_expired_is_rotated_to_a_new_expiry_and_its_old_secret_stays_dead(
    folder: Path, keys: KeyStore
) -> None:
    old = keys.create("short", "read", seconds=0.0)
    refused = regsweep(folder, "keys", "rotate", "short")
    assert "the key 'short' has expired; say with --expires how long" in refused.stderr
    new = held(regsweep(folder, "keys", "rotate", "short", "--expires", "1d"))
    keys.authenticate(new)
    with pytest.raises(UnauthenticatedError, match="replaced"):
        keys.authenticate(old)
    keys.revoke("short")
    assert "was revoked; make another" in regsweep(folder, "keys", "rotate", "short").stderr


def test_the_commands_say_the_same_as_json(folder: Path) -> None:
    made = json.loads(regsweep(folder, "keys", "create", "machine", "--expires", "30m", "--json").stdout)
    turned = json.loads(regsweep(folder, "keys", "rotate", "machine", "--json").stdout)
    [listed] = [
        key for key in json.loads(regsweep(folder, "keys", "list", "--json").stdout) if key["name"] == "machine"
    ]
    assert turned == listed | {"key": turned["key"]}
    assert (made["id"], made["expires_at"], made["old_until"]) == (turned["id"], turned["expires_at"], None)
    assert json.loads(regsweep(folder, "keys", "sessions", "machine", "--json").stdout) == {
        "key": "machine",
        "sessions": [],
    }
    assert json.loads(regsweep(folder, "keys", "revoke", "machine", "--json").stdout)["revoked_at"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", ""), "NAME: must be 1 to 100 printable characters"),
        (("create", "a\tb"), "NAME: must be 1 to 100 printable characters"),
        (("create", "x", "--days", "nan"), "--days: must be more than 0, and not with --expires"),
        (("create", "x", "--days", "1", "--expires", "1d"), "--days: must be more than 0, and not with --expires"),
        *(
            (("create", "x", "--expires", text), f"--expires: {DURATION}")
            for text in ("0d", "90", "-1d", "nand", "101000w")
        ),
        (("create", " "), "NAME: must be 1 to 100 printable characters"),
        (("create", "fir\u180bst"), "NAME: must be 1 to 100 printable characters"),
        *((("create", name), f"there is a key 'first', or was one; {OTHER_NAME}") for name in (" first", "FIRST ")),
        (("create", "first"), f"there is a key 'first', or was one; {OTHER_NAME}"),
        (("rotate", "first", "--grace", "soon"), f"--grace: {DURATION}"),
        (("rotate", "nobody"), "there is no key 'nobody'; `regsweep keys list` shows names and ids"),
        (("sessions", "nobody"), "there is no key 'nobody'; `regsweep keys list` shows names and ids"),
        (("revoke", "nobody"), "there is no key 'nobody'; `regsweep keys list` shows names and ids"),
    ],
)
@pytest.mark.usefixtures("url")  # a key `first` is there
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
            "this key is not known; give one",
        ),
        ({"REGSWEEP_KEY": "hunter2"}, "REGSWEEP_KEY: holds no key; give one whole, as `regsweep keys create` printed"),
        ({"REGSWEEP_KEY_FILE": "/nowhere"}, "REGSWEEP_KEY_FILE: cannot read /nowhere: No such file"),
    ],
)
def test_a_command_without_a_good_key_says_how_to_give_one(
    folder: Path, url: str, variables: dict[str, str], words: str
) -> None:
    refused = regsweep(folder, "studies", "--server", url, **variables)
    told = [line for line in refused.stderr.splitlines() if "[warning" not in line]  # the server's, in this process
    assert (refused.returncode, len(told)) == (2, 1), refused.stderr
    assert told[0].startswith(f"regsweep: {words}")


def test_workers_are_not_told_the_key() -> None:
    from service.settings import Settings

    settings = Settings(key="rgs_secret")
    assert "REGSWEEP_KEY" not in settings.environment()
    assert "rgs_secret" not in repr(settings)


def test_an_open_server_takes_a_key_of_another(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        headers = {"Authorization": f"Bearer rgs_{'0' * 12}_{'0' * 64}"}
        assert httpx.get(f"{api.base_url}/v1/studies", headers=headers).status_code == 200
