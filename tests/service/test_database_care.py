"""The database is copied while everything runs, before its schema changes, and looked over for what does not hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import optuna
import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

from service.api.lazy_store import LazyStore
from service.api_keys import ApiKey
from service.errors import BackupError, MigrationError, StorageError
from service.settings import Settings
from service.storage import following
from service.storage.artifacts import Artifacts
from service.storage.backup import backup, holds_the_same
from service.storage.database import connect
from service.storage.database_errors import may_pass
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.records import TrialRecord
from service.storage.schema import HEAD
from service.storage.store import Store
from service.storage.transactions import optuna_storage
from service.worker.fleet import Fleet
from tests.acceptance.polling import eventually
from tests.postgresql import PostgreSQL
from tests.service.commanding import Completed, run_command
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study, write_model
from tests.service.ledgers import everything, expire, ledger, opened, outcome, run

NUMBERS = Sort.parse("number")


def regsweep(*arguments: str, database: Path, folder: Path) -> Completed:
    """Run the command."""
    urls = ["--database-url", f"sqlite:///{database}"]
    if arguments[:2] == ("db", "check"):
        urls += ["--artifacts-url", f"file://{folder}"]
    return run_command(*arguments, *urls)


def wrong(store: Store, folder: Path) -> list[str]:
    return violations(store, Artifacts(f"file://{folder}"))


def _script(file: Path, lines: str) -> None:
    file.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    file.chmod(0o755)


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


# Copies


def test_a_copy_is_the_database_and_the_same_service_on_it(
    store: Store, database: Path, folder: Path, tmp_path: Path
) -> None:
    store.create_study(study())
    sweep_here(store, folder, "iris")
    backup(store.url, tmp_path / "kept" / "copy.db")
    assert dump(tmp_path / "kept" / "copy.db") == dump(database)
    copied = Store(f"sqlite:///{tmp_path / 'kept' / 'copy.db'}")
    assert wrong(copied, folder) == []
    assert copied.trials("iris", (), NUMBERS, 9, None).items[0].values
    copied.close()


def test_a_copy_made_while_workers_write_is_whole(store: Store, database: Path, folder: Path, tmp_path: Path) -> None:
    store.create_study(study(trials=40))
    worker = threading.Thread(target=sweep_here, args=(store, folder, "iris"))
    worker.start()
    copies: list[Path] = []
    while worker.is_alive():
        copies.append(tmp_path / f"copy {len(copies)}.db")
        backup(store.url, copies[-1])
    worker.join()
    assert len(copies) > 1
    for copy in {copies[0], copies[len(copies) // 2], copies[-1]}:
        copied = Store(f"sqlite:///{copy}")
        # By now a lease may be over, or a model given up; every row stands with all that belongs to it.
        with store.reading() as session:
            given_up = session.scalars(sa.select(TrialRecord.slot).where(TrialRecord.model.is_(None))).all()
        since = ("past its lease", *(f"the model of slot {slot}," for slot in given_up))
        assert [what for what in wrong(copied, folder) if not any(each in what for each in since)] == []
        copied.close()


def test_a_copy_of_postgresql_is_a_dump_that_restores_to_the_same(
    postgresql_template: PostgreSQL, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = postgresql_template
    monkeypatch.setenv("PATH", str(server.programs), prepend=os.pathsep)
    store, copy = Store(server.url("whole", "prepared")), tmp_path / "copy.dump"
    store.create_study(study())
    sweep_here(store, folder, "iris")
    backup(store.url, copy)
    url = server.url("restored")
    plain = url.replace("+psycopg", "")
    subprocess.run([server.programs / "pg_restore", f"--dbname={plain}", copy], check=True, capture_output=True)
    restored = Store(url)
    assert everything(restored, folder) == everything(store, folder)
    assert wrong(restored, folder) == []
    for one in (store, restored):
        one.close()


def test_a_pg_dump_that_is_too_old_or_missing_is_told_with_the_one_that_is_needed(
    postgresql_template: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, programs = postgresql_template.url("dumped", "prepared"), tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(BackupError, match=r"pg_dump is not installed; install PostgreSQL 18's client"):
        backup(url, tmp_path / "copy.dump")
    _script(programs / "pg_dump", "echo 'pg_dump (PostgreSQL) 14.2 (Debian 14.2-1)'")
    with pytest.raises(BackupError, match=r"pg_dump is of PostgreSQL 14, and a server of 18 needs one as new"):
        backup(url, tmp_path / "copy.dump")
    assert [path.name for path in tmp_path.iterdir()] == ["programs"]


def test_a_lock_that_cannot_be_made_and_tables_of_another_optuna_are_told_in_one_sentence(
    database: Path, tmp_path: Path
) -> None:
    Path(f"{database}.lock").mkdir()
    with pytest.raises(StorageError, match=r"regsweep\.db\.lock cannot be made \(Is a directory\)"):
        Store(f"sqlite:///{database}")
    Path(f"{database}.lock").rmdir()
    Store(f"sqlite:///{database}").close()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(MigrationError, match="Optuna's tables in this database are of another version than Optuna"):
        optuna_storage(f"sqlite:///{database}")


@pytest.mark.parametrize("state", ["54000", "54001", "53200"])
def test_what_is_too_large_for_postgresql_does_not_pass_by_itself(state: str) -> None:
    refused = psycopg.errors.lookup(state)("no room")
    error = sa.exc.OperationalError("INSERT", {}, refused)
    assert may_pass(error) is (state == "53200")  # out of memory, which passes


def test_a_command_that_only_asks_a_server_does_not_mind_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGSWEEP_DATABASE_URL", "/a/path")
    assert run_command("studies").returncode == 2
    assert "no server at http://127.0.0.1:1" in run_command("studies", "--server", "http://127.0.0.1:1").stderr


@pytest.mark.parametrize("way", ["the file exists", "no folder can be made", "there is no database"])
def test_a_copy_that_cannot_be_made_says_why_and_leaves_nothing(
    store: Store, database: Path, folder: Path, tmp_path: Path, way: str
) -> None:
    target, source, why = tmp_path / "copy.db", store.url, "name a file that does not"
    if way == "the file exists":
        target.write_text("mine")
    elif way == "no folder can be made":
        target, why = Path("/proc/no/copy.db"), "cannot write /proc/no/copy.db"
    else:
        source, why = f"sqlite:///{tmp_path / 'nowhere.db'}", "there is no database at"
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BackupError, match=why):
        backup(source, target)
    assert sorted(tmp_path.iterdir()) == before
    assert way != "the file exists" or target.read_text() == "mine"


def test_the_command_copies_once_and_refuses_to_write_over(
    store: Store, database: Path, folder: Path, tmp_path: Path
) -> None:
    store.create_study(study())
    target = tmp_path / "copy.db"
    made = regsweep("db", "backup", str(target), database=database, folder=folder)
    assert (made.returncode, made.stdout.strip(), made.stderr) == (0, str(target), "")
    assert dump(target) == dump(database)
    again = regsweep("db", "backup", str(target), database=database, folder=folder)
    assert (again.returncode, again.stderr) == (2, f"regsweep: {target} exists; name a file that does not\n")


# Before a new schema


def upgrade(url: str, revision: str) -> None:
    """Make the tables of an older regsweep."""
    optuna_storage(url, create=True).engine.dispose()
    config = Config()
    config.set_main_option("script_location", "service.storage:migrations")
    config.set_main_option("path_separator", "os")
    engine = connect(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


@pytest.fixture
def older(database: Path) -> Path:
    """A database of schema 0003 with a study: a complete trial, one that runs and a place that waits."""
    url = f"sqlite:///{database}"
    upgrade(url, "0003")
    spec = study(trials=3)
    plain = spec.model_dump(mode="json")
    for name in ("priority", "warm_start"):
        del plain[name]
    del plain["budget"]["max_attempts"]
    theirs = optuna_storage(url)
    optuna_id = theirs.create_new_study([optuna.study.StudyDirection.MINIMIZE], "iris")
    asked = [
        optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=n)).ask(spec.space.distributions())
        for n in (0, 1)
    ]
    for trial in asked:
        frozen = trial.study._storage.get_trial(trial._trial_id)
        theirs.create_new_trial(optuna_id, frozen)
    theirs.set_trial_state_values(1, optuna.trial.TrialState.COMPLETE, [0.5])
    theirs.engine.dispose()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO regsweep_studies (name, state, spec, created_at, started_at)"
            " VALUES ('iris', 'running', ?, 1, 2)",
            [json.dumps(plain)],
        )
        places: list[tuple[Any, ...]] = [
            (0, "COMPLETE", 0, 1, None, None, "[0.5]", 0.5, 4.0),
            (1, "RUNNING", 1, 1, "t" * 32, 5.0, None, None, None),
            (2, "WAITING", None, 0, None, None, None, None, None),
        ]
        connection.executemany(
            "INSERT INTO regsweep_trials (study_id, place, state, number, attempt, token, lease_expires_at, `values`,"
            " value, ended_at) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            places,
        )
    return database


def copies(database: Path) -> list[Path]:
    return sorted(database.parent.glob("*.backup*"))


def test_an_older_database_is_copied_before_its_schema_changes(older: Path) -> None:
    before = dump(older)
    Store(f"sqlite:///{older}").close()
    [kept] = copies(older)
    assert kept.name == "regsweep.db.0003.backup"
    assert dump(kept) == before
    Store(f"sqlite:///{older}").close()
    assert copies(older) == [kept]  # it is this version's now


def test_an_earlier_copy_that_says_the_same_is_found_without_writing_another(older: Path, tmp_path: Path) -> None:
    url, copy = make_url(f"sqlite:///{older}"), tmp_path / "copy"
    backup(url, copy)
    before = copy.read_bytes()
    assert holds_the_same(url, copy)
    assert (copy.read_bytes(), [path.name for path in tmp_path.glob("copy*")]) == (before, ["copy"])
    with closing(sqlite3.connect(older)) as connection, connection:
        connection.execute("UPDATE regsweep_studies SET name = 'sire'")
    assert not holds_the_same(url, copy)


def test_checking_a_study_file_leaves_an_older_database_as_it_is(older: Path, tmp_path: Path) -> None:
    before, file = dump(older), tmp_path / "study.yaml"
    file.write_text("dataset: {kind: builtin, name: iris}\n", encoding="utf-8")
    checked = run_command("validate", str(file), "--database-url", f"sqlite:///{older}")
    assert checked.returncode == 0, checked.stderr
    assert dump(older) == before
    assert copies(older) == []


def test_an_older_copy_is_never_written_over(older: Path) -> None:
    kept = older.with_name("regsweep.db.0003.backup")
    kept.write_text("of an earlier try")
    Store(f"sqlite:///{older}").close()
    assert kept.read_text() == "of an earlier try"
    assert [path.name for path in copies(older)] == [kept.name, f"{kept.name}.1"]


def test_a_migration_that_fails_is_told_in_a_line_and_leaves_one_copy_however_often_it_is_tried(
    older: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(older)) as connection:
        connection.execute("CREATE TABLE regsweep_datasets (id INTEGER)")  # which a migration makes
    before = dump(older)
    says = r"schema 0003 cannot become \d+ \(OperationalError: table regsweep_datasets already exists\); it stays as"
    for _ in range(2):
        with pytest.raises(MigrationError, match=says):
            Store(f"sqlite:///{older}")
    settings = settings_in(tmp_path)
    with served(settings, Fleet(settings, 1)) as api:
        refused = [
            api.get("/v1/studies"),
            api.post("/login", data={"key": ApiKey.make().text}),
            api.get("/", headers={"Accept": "text/html"}),
        ]
    for answer in refused:  # no key was asked for, so none of it says where the database is, nor to come again
        assert (answer.status_code, "retry-after" in answer.headers) == (503, False)
        assert "the server" in answer.text
        assert not re.search(f"Try again|{tmp_path}|already exists", answer.text)
    asked = run_command("show", "iris", "--database-url", f"sqlite:///{older}")
    assert (asked.returncode, len(asked.stderr.splitlines())) == (2, 1), asked.stderr
    [kept] = copies(older)
    assert str(kept) in asked.stderr
    assert dump(kept) == dump(older) == before


def test_a_migration_that_the_database_keeps_waiting_is_tried_again(older: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{older}?timeout=0.1"
    with closing(sqlite3.connect(older, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with served(settings_in(tmp_path, url)) as api:
            come_again(api.get("/v1/studies"))
            other.execute("ROLLBACK")
            eventually(lambda: api.get("/v1/studies").status_code == 200, 20)
    assert [kept.name for kept in copies(older)] == ["regsweep.db.0003.backup"]


def test_a_migration_that_waits_too_long_for_a_table_of_postgresql_is_no_failed_one(
    postgresql_template: PostgreSQL,
) -> None:
    url = postgresql_template.url("older")
    upgrade(url, "0003")
    engine = connect(url)
    with engine.begin() as other:
        other.execute(sa.text("LOCK TABLE regsweep_studies"))
        with pytest.raises(StorageError, match="does not answer: canceling statement due to lock timeout") as caught:
            Store(f"{url}?options=-c%20lock_timeout%3D100ms")
    assert not isinstance(caught.value, MigrationError)
    Store(url).close()
    engine.dispose()


def test_a_failed_opening_is_told_anew_to_everyone_who_asks(older: Path) -> None:
    with closing(sqlite3.connect(older)) as connection:
        connection.execute("CREATE TABLE regsweep_datasets (id INTEGER)")
    lazy_store, told = LazyStore(f"sqlite:///{older}"), []
    for _ in range(3):
        with pytest.raises(MigrationError, match="already exists") as caught:
            lazy_store.get()
        told.append(caught.value)
    assert len({id(error) for error in told}) == 3  # one that is raised again keeps the frames of every request


def test_a_new_database_needs_no_copy(store: Store, database: Path) -> None:
    assert copies(database) == []


def test_a_copy_that_cannot_be_made_leaves_the_older_schema_in_place(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(older)
    monkeypatch.setattr("pathlib.Path.rename", _no_room)
    with pytest.raises(BackupError, match="No space left"):
        Store(f"sqlite:///{older}")
    assert dump(older) == before
    assert copies(older) == []


def test_a_server_whose_copy_has_no_room_starts_its_workers_once_there_is(
    older: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    def no_room(path: Path, *_: object) -> None:
        tries.append(path)
        _no_room()

    settings = settings_in(tmp_path)
    monkeypatch.setattr("pathlib.Path.rename", no_room)
    with served(settings, Fleet(settings, 1)) as api:
        for _ in range(20):
            come_again(api.get("/v1/studies"))
        assert len(tries) < 20  # each is a copy of the whole database
        monkeypatch.undo()
        eventually(lambda: api.get("/v1/workers").json().get("workers"), 30)


def _no_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


def position(store: Store) -> int:
    """The number of the last change of a trial."""
    with store.reading() as session:
        return following.positions(session, [store.study("iris").id]).popitem()[1]


def test_what_an_older_version_left_goes_on(older: Path, folder: Path) -> None:
    store = Store(f"sqlite:///{older}")
    assert [what for what in wrong(store, folder) if "past its lease" not in what] == []
    assert store.study("iris").priority == 0
    assert position(store) == 2  # of the trials that it had opened
    expire(store)
    assert position(store) == 3
    assert sweep_here(store, folder, "iris") == 2
    assert [trial.state for trial in store.trials("iris", (), NUMBERS, 9, None).items] == ["COMPLETE"] * 3
    assert [attempt.ending for attempt in store.attempts(store.trial("iris", 1))] == ["told"]
    assert wrong(store, folder) == []
    store.close()


def test_the_copy_of_an_older_schema_can_be_put_back(older: Path) -> None:
    Store(f"sqlite:///{older}").close()
    [kept] = copies(older)
    shutil.move(kept, older)
    reopened = Store(f"sqlite:///{older}")
    assert reopened.study("iris").state == "running"
    with reopened.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM regsweep_version")) == HEAD
    reopened.close()


# What does not hold


@pytest.fixture
def kept(store: Store, folder: Path, tmp_path: Path) -> Store:
    """A study of five places: complete with a model, failed, running with a checkpoint, running, waiting."""
    spec = study(trials=5)
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    write_model(tmp_path / "file")
    claim, number = opened(book, spec)
    book.keep_model(claim, number, tmp_path / "file")
    book.close(claim, number, outcome())
    run(book, spec, state=optuna.trial.TrialState.FAIL)
    claim, number = opened(book, spec)
    book.keep_checkpoint(claim, number, tmp_path / "file")
    opened(book, spec)
    assert wrong(store, folder) == []
    return store


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("DELETE FROM regsweep_trials WHERE place = 4", "has 4 slots and a budget of 5 trials"),
        (
            "INSERT INTO regsweep_trials (study_id, place, state, attempt, setbacks) VALUES (1, 5, 'WAITING', 0, 0)",
            "has 1 slots beyond its budget of 5 trials, and 0 repeats of the best",
        ),
        ("UPDATE regsweep_studies SET state = 'stopped'", "is stopped and 1 of its slots wait"),
        ("UPDATE regsweep_trials SET token = NULL WHERE place = 2", "slot 2 runs and nobody holds it"),
        ("UPDATE regsweep_trials SET lease_expires_at = 0 WHERE place = 2", "seconds past its lease"),
        ("UPDATE regsweep_trials SET token = 'x' WHERE place = 4", "slot 4 is WAITING and still held by a claim"),
        ("UPDATE regsweep_attempts SET ending = 'told' WHERE trial_id = 3", "slot 2 was told and is RUNNING"),
        (
            "INSERT INTO regsweep_attempts (trial_id, attempt, worker, started_at, ending)"
            " VALUES (1, 9, 'a', 1, 'told')",
            "slot 0 was told 2 times",
        ),
        ("UPDATE regsweep_attempts SET ending = NULL WHERE trial_id = 1", "1 of its attempts have not ended"),
        ("UPDATE trials SET state = 'PRUNED' WHERE number = 0", "trial 0 is COMPLETE in our tables and PRUNED in"),
        ("UPDATE trial_values SET value = 9", "trial 0 has the values [0.5] in our tables and [9.0] in Optuna's"),
        ("UPDATE regsweep_trials SET number = 7 WHERE number = 3", "trial 7 is only in our tables"),
        ("UPDATE regsweep_trials SET number = 7 WHERE number = 3", "trial 3 is only in Optuna's tables"),
        ("UPDATE studies SET study_name = 'other'", "is not in Optuna's tables"),
        ("UPDATE regsweep_trials SET model = 'gone.keras' WHERE place = 0", "the model of slot 0, gone.keras, is not"),
        ("UPDATE regsweep_trials SET checkpoint = 'gone' WHERE place = 2", "the checkpoint of slot 2, gone, is not"),
        (
            "INSERT INTO regsweep_curves (trial_id, curve) VALUES (99, '{}')",
            "the file: a row of regsweep_curves points to a row of regsweep_trials that is not there",
        ),
        (
            "UPDATE regsweep_studies SET state = 'asleep'",
            "the table regsweep_studies holds the state 'asleep', which is none",
        ),
        ("UPDATE regsweep_trials SET state = 'ODD' WHERE place = 0", "the table regsweep_trials holds the state 'ODD'"),
        ("UPDATE regsweep_attempts SET ending = 'odd'", "the table regsweep_attempts holds the ending 'odd'"),
    ],
)
def test_what_does_not_hold_is_found(kept: Store, database: Path, folder: Path, harm: str, found: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(harm)
    assert found in "\n".join(wrong(kept, folder))


def test_an_active_study_with_nothing_left_is_found(store: Store, database: Path, folder: Path) -> None:
    store.create_study(study(trials=1))
    sweep_here(store, folder, "iris")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE regsweep_studies SET state = 'running'")
    assert wrong(store, folder) == ["study 'iris': is running and all its trials have ended"]


def test_the_command_says_what_does_not_hold_by_its_exit_status(kept: Store, database: Path, folder: Path) -> None:
    whole = regsweep("db", "check", database=database, folder=folder)
    assert (whole.returncode, whole.stdout, whole.stderr) == (0, "everything holds\n", "")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM regsweep_trials WHERE place = 4")
    broken = regsweep("db", "check", database=database, folder=folder)
    assert (broken.returncode, broken.stdout) == (1, "study 'iris': has 4 slots and a budget of 5 trials\n")


def test_a_check_of_a_database_that_is_not_there_makes_none(tmp_path: Path, folder: Path) -> None:
    checked = regsweep("db", "check", database=tmp_path / "typo.db", folder=folder)
    assert checked.returncode == 2
    assert "typo.db" in checked.stderr
    assert not (tmp_path / "typo.db").exists()


# A database that does not answer


def test_a_server_that_starts_without_its_database_asks_to_come_again_until_it_is_there(tmp_path: Path) -> None:
    database = tmp_path / "data" / "regsweep.db"
    settings = Settings(database_url=f"sqlite:///{database}", artifacts_url=f"file://{tmp_path}", workers=0)
    database.parent.mkdir()
    # As of a disk that is not mounted yet.
    database.write_text("no database, but long enough to be taken for one\n" * 20)
    with served(settings) as api:
        come_again(api.get("/v1/studies"))
        come_again(api.post("/v1/studies", json=document()))
        database.unlink()
        eventually(lambda: api.post("/v1/studies", json=document()).status_code == 201, 20)


def test_a_request_that_the_database_keeps_waiting_is_asked_to_come_again(tmp_path: Path) -> None:
    database = tmp_path / "regsweep.db"
    url = f"sqlite:///{database}?timeout=0.1"
    with served(Settings(database_url=url, artifacts_url=f"file://{tmp_path}", workers=0)) as api:
        api.post("/v1/studies", json=document()).raise_for_status()
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            come_again(api.post("/v1/studies", json=document("other")))
            come_again(api.post("/v1/studies", json=document("other"), headers={"Idempotency-Key": "mine"}))
            come_again(api.patch("/v1/studies/iris", json={"priority": 3}))
            come_again(api.post("/v1/studies/iris/trials", json={"params": {}}))
            come_again(api.post("/v1/studies/iris/pause"))
            come_again(api.delete("/v1/studies/iris?force=true"))
            assert api.get("/v1/studies/iris").json()["state"] == "queued"  # who reads does not wait
            other.execute("ROLLBACK")
        keyed = api.post("/v1/studies", json=document("other"), headers={"Idempotency-Key": "mine"})
        assert (keyed.status_code, "idempotent-replayed" in keyed.headers) == (201, False)


def come_again(away: httpx.Response) -> None:
    assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json"), away.text
    assert int(away.headers["retry-after"]) > 0
