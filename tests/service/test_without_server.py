"""Commands find their studies on a server or in a database, say which, and make no database to read."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

from service.storage.store import Store
from tests.service.commanding import Completed, run_command
from tests.service.comparing import sweep_as_worker
from tests.service.documents import study


def _server(api: httpx.Client) -> str:
    return str(api.base_url).rstrip("/")


def _here(store: Store, folder: Path, *arguments: str) -> Completed:
    return run_command(*arguments, REGSWEEP_DATABASE_URL=store.url, REGSWEEP_ARTIFACTS_URL=f"file://{folder}")


@pytest.mark.parametrize(
    "command",
    [
        ("studies", "--json"), ("studies",), ("show", "iris", "--json"), ("trials", "iris", "--json"),
        ("trials", "iris"), ("snippet", "iris"), ("workers", "--json"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_command_prints_the_same_with_a_server_and_without(
    api: httpx.Client, store: Store, folder: Path, command: tuple[str, ...]
) -> None:
    store.create_study(study())
    sweep_as_worker(store, folder, "iris")
    here, there = _here(store, folder, *command), run_command(*command, REGSWEEP_SERVER_URL=_server(api))
    assert (here.returncode, here.stderr) == (there.returncode, there.stderr) == (0, "")
    assert here.stdout == there.stdout
    if "--json" in command:
        json.loads(here.stdout)


@pytest.mark.parametrize("command", ["model", "report"])
def test_a_file_is_the_same_with_a_server_and_without(
    api: httpx.Client, store: Store, folder: Path, tmp_path: Path, command: str
) -> None:
    store.create_study(study())
    sweep_as_worker(store, folder, "iris")
    here, there = tmp_path / "here", tmp_path / "there"
    assert _here(store, folder, command, "iris", "-o", str(here)).returncode == 0
    assert run_command(command, "iris", "-o", str(there), REGSWEEP_SERVER_URL=_server(api)).returncode == 0
    assert here.read_bytes() == there.read_bytes() != b""


def test_a_study_is_deleted_with_its_models_without_a_server(store: Store, folder: Path) -> None:
    store.create_study(study())
    sweep_as_worker(store, folder, "iris")
    assert list(folder.rglob("*.keras"))
    assert _here(store, folder, "delete", "iris").returncode == 0
    assert not list(folder.rglob("*.keras"))
    gone = _here(store, folder, "show", "iris")
    assert (gone.returncode, gone.stderr) == (2, "regsweep: there is no study named 'iris'\n")


def test_a_study_is_extended_without_a_server_and_runs_again(store: Store, folder: Path) -> None:
    store.create_study(study(budget={"trials": 2, "epochs": 3, "timeout_seconds": 1234567}))
    sweep_as_worker(store, folder, "iris")
    assert _here(store, folder, "extend", "iris").returncode == 2
    less = _here(store, folder, "extend", "iris", "--timeout-seconds", "1234566")
    assert "the study has 1234567 already, and 1234566 are fewer" in less.stderr
    fewer = _here(store, folder, "extend", "iris", "--trials", "1")
    assert (fewer.returncode, "budget.trials" in fewer.stderr) == (2, True)
    extended = _here(store, folder, "extend", "iris", "--trials", "3")
    assert (extended.returncode, extended.stdout) == (0, "running\n"), extended.stderr
    assert extended.stderr == (
        "regsweep: no worker is running; the study waits for one\n"
        "Next: regsweep serve, or regsweep run FILE   (FILE is the study's own; the workers go on with it)\n"
    )
    assert _here(store, folder, "extend", "iris", "--timeout-seconds", "inf").returncode == 0
    assert store.study("iris").spec["budget"]["timeout_seconds"] is None
    sweep_as_worker(store, folder, "iris")
    assert len(json.loads(_here(store, folder, "trials", "iris", "--json").stdout)["items"]) == 3


def test_priority_and_most_workers_are_changed_with_a_server_and_without(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    store.create_study(study())
    assert _here(store, folder, "change", "iris").returncode == 2
    for wrong in ("0", "2.5", "10001", "nan"):
        refused = _here(store, folder, "change", "iris", "--max-workers", wrong)
        says = "regsweep: --max-workers: must be a whole number from 1 to 10,000; inf for no limit\n"
        assert (refused.returncode, refused.stderr) == (2, says)
    here = _here(store, folder, "change", "iris", "--priority", "3", "--max-workers", "4")
    assert (here.returncode, here.stdout, here.stderr) == (0, "priority 3, at most 4 workers\n", "")
    there = run_command("change", "iris", "--max-workers", "1", REGSWEEP_SERVER_URL=_server(api))
    assert (there.returncode, there.stdout, there.stderr) == (0, "priority 3, at most 1 worker\n", "")
    assert run_command("change", "iris", "--max-workers", "inf", REGSWEEP_SERVER_URL=_server(api)).returncode == 0
    assert (store.study("iris").priority, store.study("iris").max_workers) == (3, None)
    assert "max_workers set to no limit" in _here(store, folder, "show", "iris").stdout


def test_the_files_beside_a_database_that_is_named_are_its_own(
    database: Path, store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create_study(study())
    sweep_as_worker(store, folder, "iris")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    written = run_command("model", "iris", "--database-url", f"sqlite:///{database}")
    assert (written.returncode, written.stdout) == (0, "model.keras\n"), written.stderr
    assert [path.name for path in Path().iterdir()] == ["model.keras"]


@pytest.mark.parametrize("command", [("studies",), ("show", "iris"), ("keys", "list"), ("db", "check")], ids=" ".join)
def test_a_command_that_reads_makes_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "nowhere" / "regsweep.db"
    refused = run_command(*command, "--database-url", f"sqlite:///{file}")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        f"regsweep: there is no database at {file}; give --database-url, or run in the folder where `regsweep run` or "
        "`regsweep serve` was\n"
    )
    assert not file.parent.exists()


def test_what_is_asked_is_said_where_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as nobody:  # holds the default port and does not listen
        nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            nobody.bind(("127.0.0.1", 8000))
        except OSError:
            pytest.skip("another program uses port 8000")
        place = tmp_path / "data" / "regsweep.db"
        nowhere = run_command("studies")
        assert (nowhere.returncode, "data" in {path.name for path in tmp_path.iterdir()}) == (2, False)
        assert f"no server answers at http://127.0.0.1:8000, and there is no database at {place}; " in nowhere.stderr
        made = run_command("keys", "create", "me")
        told, audited = made.stderr.splitlines()
        assert told == f"regsweep: a new database is made: {place}"
        assert "key.created" in audited
        assert len(run_command("keys", "create", "you").stderr.splitlines()) == 1  # the audit
        found = run_command("studies")
        said = f"regsweep: no server answers at http://127.0.0.1:8000; reading the database {place}\n"
        assert (found.returncode, found.stderr) == (0, said)


def test_a_server_and_a_database_are_not_both_named(tmp_path: Path) -> None:
    refused = run_command("studies", "--server", "http://127.0.0.1:9", "--database-url", f"sqlite:///{tmp_path}/a.db")
    assert (refused.returncode, refused.stderr) == (
        2,
        "regsweep: --server and --database-url name two places; give one of them\n",
    )


@pytest.mark.parametrize("command", ["show", "serve", "init"])
def test_h_is_help(command: str) -> None:
    assert "--help" in run_command(command, "-h").stdout
