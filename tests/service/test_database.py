"""The schema comes up once, whoever comes first, and a newer one is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from service.errors import MigrationError, StorageError
from service.storage.database import connect
from service.storage.records import Record
from service.storage.schema import VERSION_TABLE
from service.storage.store import Store
from tests.postgresql import PostgreSQL
from tests.service.contenders import prepare_schema, processes, sweep_here
from tests.service.documents import study
from tests.service.ledgers import everything


def test_processes_that_start_on_an_empty_database_at_once_all_find_it_ready(database: Path) -> None:
    with processes(3) as pool:
        futures = [pool.submit(prepare_schema, f"sqlite:///{database}") for _ in range(3)]
        assert [future.result() for future in futures] == ["wal"] * 3


def test_the_migrations_make_the_tables_that_the_records_describe(store: Store) -> None:
    ours = {table.name for table in Record.metadata.sorted_tables}

    def include(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in ours

    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": include, "compare_type": False})
        assert compare_metadata(context, Record.metadata) == []


def test_opening_a_database_again_changes_nothing(store: Store, folder: Path) -> None:
    store.create_study(study(trials=2))
    sweep_here(store, folder, "iris")
    before = everything(store, folder)
    Store(store.url).close()
    assert everything(store, folder) == before


def test_the_schema_of_a_newer_regsweep_is_refused_with_a_sentence(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.update(sa.table(VERSION_TABLE, sa.column("version_num"))).values(version_num="9999"))
    with pytest.raises(MigrationError, match=r"has schema 9999 and this regsweep knows .*; install a newer regsweep"):
        Store(store.url)


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path / 'new' / 'folder' / 'regsweep.db'}").close()
    assert (tmp_path / "new" / "folder" / "regsweep.db").exists()


@pytest.mark.parametrize("url", ["nonsense", "nodialect://x", "sqlite:////proc/no/regsweep.db"])
def test_a_database_that_cannot_be_opened_is_a_storage_error(url: str) -> None:
    with pytest.raises(StorageError):
        Store(url)


def test_a_file_that_is_no_database_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "regsweep.db").write_text("not a database, but long enough to be taken for one\n" * 20)
    with pytest.raises(StorageError):
        Store(f"sqlite:///{tmp_path / 'regsweep.db'}")


def test_a_deleted_studys_id_is_never_given_again(store: Store) -> None:
    # Artifacts, caches and workers that look away for a moment go by the id.
    first = store.create_study(study("first"))
    store.delete_study("first", force=True)
    assert store.create_study(study("second")).id != first.id


def test_optunas_own_view_shows_params_curves_and_metric_names(store: Store, folder: Path) -> None:
    spec = study(trials=5)
    store.create_study(spec)
    sweep_here(store, folder, "iris")
    theirs = optuna.load_study(study_name="iris", storage=store.optuna)
    assert (theirs.metric_names, theirs.directions) == (["val_loss"], [optuna.study.StudyDirection.MINIMIZE])
    for trial in theirs.trials:
        assert trial.params.keys() == spec.space.distributions().keys()
        assert trial.distributions == spec.space.distributions()
        assert sorted(trial.intermediate_values) == list(range(1, len(trial.intermediate_values) + 1))
        assert trial.intermediate_values
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None


def test_the_driver_takes_the_write_lock_when_a_transaction_begins(store: Store, database: Path) -> None:
    with store.engine.begin():
        other = sqlite3.connect(database, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_a_connection_that_postgresql_has_closed_is_replaced(
    postgresql_template: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.storage.database._UNUSED_SECONDS", 0.0)
    url = postgresql_template.url("closed")
    ours, other = connect(url), connect(url)
    own_pid = sa.select(sa.func.pg_backend_pid())
    with ours.connect() as connection:
        closed = connection.scalar(own_pid)
    with other.connect() as connection:
        assert connection.scalar(sa.select(sa.func.pg_terminate_backend(closed, 5000)))
    with ours.connect() as connection:
        assert connection.scalar(own_pid) not in {None, closed}
    ours.dispose()
    other.dispose()
