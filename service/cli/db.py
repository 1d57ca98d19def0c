"""`regsweep db`: look after the database and the artifacts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, settings_of

db = typer.Typer(help="Look after the database.", no_args_is_help=True)


@db.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
    database_url: DatabaseUrlOption = None,
) -> None:
    """Copy the database as it stands now, also while everything runs."""
    from service.storage.backup import backup

    backup(settings_of(database_url=database_url).database_url, file)
    print(file)


@db.command()
def check(database_url: DatabaseUrlOption = None, artifacts_url: ArtifactsUrlOption = None) -> None:
    """Verify that the records are whole: budgets, leases, attempts, Optuna's tables, files; exit 1 if they are not."""
    from service.storage import database
    from service.storage.artifacts import Artifacts
    from service.storage.invariants import violations
    from service.storage.store import Store

    settings = settings_of(database_url=database_url, artifacts_url=artifacts_url)
    database.check(settings.database_url, must_exist=True)
    store = Store(settings.database_url)
    found = violations(store, Artifacts(settings.artifacts_url))
    store.close()
    print("\n".join(found) or "everything holds")
    sys.exit(1 if found else 0)


@db.command()
def orphans(
    remove: Annotated[bool, typer.Option("--remove", help="Remove them; otherwise they are only listed.")] = False,
    hours: Annotated[float, typer.Option("--older-than", min=0, help="Hours since they were written.")] = 24.0,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """List the files of models, checkpoints and datasets that no record points to; exit 1 if one cannot be removed."""
    from service.storage import database
    from service.storage import orphans as unclaimed
    from service.storage.artifacts import Artifacts
    from service.storage.store import Store

    settings = settings_of(database_url=database_url, artifacts_url=artifacts_url)
    database.check(settings.database_url, must_exist=True)
    store, artifacts = Store(settings.database_url), Artifacts(settings.artifacts_url)
    found = unclaimed.find(store, artifacts, 3600 * hours)
    gone = unclaimed.remove(store, artifacts, found) if remove else found
    store.close()
    print("\n".join(gone) or "there are none")
    sys.exit(0 if gone == found else 1)
