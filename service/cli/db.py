"""`regsweep db`: backs up and checks the database and the artifacts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, settings_of

db = typer.Typer(help="Back up and check the database.", no_args_is_help=True)


@db.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.")],
    database_url: DatabaseUrlOption = None,
) -> None:
    """Copy the database in its current state, also while server and workers run."""
    from service.storage.backup import backup

    backup(settings_of(database_url=database_url).database_url, file)
    print(file)


@db.command()
def check(database_url: DatabaseUrlOption = None, artifacts_url: ArtifactsUrlOption = None) -> None:
    """Check that the records agree: budgets, leases, attempts, Optuna's tables, files; exit 1 if they do not."""
    from service.storage import database
    from service.storage.artifacts import Artifacts
    from service.storage.invariants import violations
    from service.storage.store import Store

    settings = settings_of(database_url=database_url, artifacts_url=artifacts_url)
    database.check(settings.database_url, must_exist=True)
    store = Store(settings.database_url)
    broken = violations(store, Artifacts(settings.artifacts_url))
    store.close()
    print("\n".join(broken) or "everything holds")
    sys.exit(1 if broken else 0)


@db.command()
def orphans(
    remove: Annotated[bool, typer.Option("--remove", help="Remove the files; otherwise they are only listed.")] = False,
    hours: Annotated[float, typer.Option("--older-than", min=0, help="Hours since the files were written.")] = 24.0,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """List the files of models, checkpoints and datasets that no record points to; exit 1 if one cannot be removed."""
    from service.storage import database
    from service.storage import orphans as storage_orphans
    from service.storage.artifacts import Artifacts
    from service.storage.store import Store

    settings = settings_of(database_url=database_url, artifacts_url=artifacts_url)
    database.check(settings.database_url, must_exist=True)
    store, artifacts = Store(settings.database_url), Artifacts(settings.artifacts_url)
    paths = storage_orphans.find(store, artifacts, 3600 * hours)
    listed = storage_orphans.remove(store, artifacts, paths) if remove else paths
    store.close()
    print("\n".join(listed) or "there are none")
    sys.exit(0 if listed == paths else 1)
