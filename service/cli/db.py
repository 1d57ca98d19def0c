"""`regsweep db`: backs up and checks the database and the artifacts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, JsonOption, load_settings, print_json

if TYPE_CHECKING:
    from service.settings import Settings
    from service.storage.store import Store

db = typer.Typer(help="Back up and check the database.", no_args_is_help=True)


@db.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.")],
    database_url: DatabaseUrlOption = None,
) -> None:
    """Copy the database in its current state, also while server and workers run."""
    from service.storage.backup import backup

    backup(load_settings(database_url=database_url).database_url, file)
    print(file)


@db.command()
def check(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend what can be; an SQLite database is copied first. Then check again."),
    ] = False,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that the records agree: budgets, leases, attempts, Optuna's tables, files; exit 1 if they do not."""
    from service.storage.artifacts import Artifacts
    from service.storage.invariants import violations

    settings = load_settings(database_url=database_url, artifacts_url=artifacts_url)
    with _existing_store(settings) as store:
        artifacts = Artifacts(settings.artifacts_url)
        broken = violations(store, artifacts)
        repaired = list(_repaired(store)) if repair and broken else []
        if repaired:
            broken = violations(store, artifacts)
    if as_json:
        print_json({"violations": broken} | ({"repaired": repaired} if repair else {}))
    else:
        print("\n".join([*repaired, *broken]) or "everything holds")
    sys.exit(1 if broken else 0)


def _repaired(store: Store) -> Iterator[str]:
    from service.storage import database
    from service.storage.repair import mend

    file = database.sqlite_file(store.url)
    if file is not None:
        copy = database.copy_of(store.engine.url, file.with_name(f"{file.name}.before-repair.backup"))
        yield f"the database as it was is copied to {copy}"
    yield from mend(store)


@db.command()
def orphans(
    remove: Annotated[bool, typer.Option("--remove", help="Remove the files; otherwise they are only listed.")] = False,
    hours: Annotated[float, typer.Option("--older-than", min=0, help="Hours since the files were written.")] = 24.0,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files of models, checkpoints and datasets that no record points to; exit 1 if one cannot be removed."""
    from service.storage import orphans as storage_orphans
    from service.storage.artifacts import Artifacts

    settings = load_settings(database_url=database_url, artifacts_url=artifacts_url)
    with _existing_store(settings) as store:
        artifacts = Artifacts(settings.artifacts_url)
        paths = storage_orphans.find(store, artifacts, 3600 * hours)
        listed = storage_orphans.remove(store, artifacts, paths) if remove else paths
    if as_json:
        print_json({"orphans": paths, "removed": listed if remove else []})
    else:
        print("\n".join(listed) or "there are none")
    sys.exit(0 if listed == paths else 1)


@contextmanager
def _existing_store(settings: Settings) -> Iterator[Store]:
    """Open the store of a database that must exist: looking after it must not make one."""
    from service.storage import database
    from service.storage.store import Store

    database.check(settings.database_url, must_exist=True)
    store = Store(settings.database_url)
    try:
        yield store
    finally:
        store.close()
