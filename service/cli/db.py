"""`regsweep db`: backs up and checks the database and the artifacts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service import audit
from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, JsonOption, load_settings, print_json
from service.cli.output import say
from service.cli.source import user_name

if TYPE_CHECKING:
    from service.settings import Settings
    from service.storage.artifacts import Artifacts
    from service.storage.records import DatasetRecord
    from service.storage.store import Store

_UNITS = {"d": 1, "w": 7}
_MAX_DAYS = 100_000
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
    from service.storage.invariants import violations

    with _store_and_files(database_url, artifacts_url) as (store, artifacts):
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
    from service.storage import database, schema
    from service.storage.repair import mend

    file = database.sqlite_file(store.url)
    if file is not None:
        copy = schema.copy_of(store.engine.url, file.with_name(f"{file.name}.before-repair.backup"))
        yield f"the database as it was is copied to {copy}"
    yield from mend(store)


def _days(text: str) -> float:
    """Read "90d", "12w" or "90"."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "d")
    try:
        days = float(number) * _UNITS[unit]
    except ValueError:
        days = -1.0
    if not 0 <= days < _MAX_DAYS:
        raise typer.BadParameter(f"'{text}' is no age; write days or weeks, as in 90d or 12w")
    return days


@db.command()
def prune(
    older_than: Annotated[
        float, typer.Option("--older-than", parser=_days, metavar="AGE", help="Age since their end, as in 90d or 12w.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Delete them; otherwise they are only listed.")] = False,
    archive: Annotated[
        Path | None,
        typer.Option("--archive", metavar="FOLDER", help="Zip each into this folder first: report, trials, models."),
    ] = None,
    datasets: Annotated[
        bool, typer.Option("--datasets", help="Also datasets added so long ago that no study is about any more.")
    ] = False,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the studies that ended so long ago, or delete them with their comparisons, trials and models."""
    from service import retention

    with _store_and_files(database_url, artifacts_url) as (store, artifacts):
        studies = retention.ended_before(store, older_than)
        found = [study.name for study in studies]
        unused = retention.unused_datasets(store, older_than, [study.id for study in studies]) if datasets else []
        deleted = list(retention.prune(store, artifacts, older_than, archive)) if yes else []
        gone = list(retention.prune_datasets(store, artifacts, older_than)) if yes and datasets else []
    if as_json:
        of_datasets = {"datasets": list(map(_version, unused)), "deleted_datasets": list(map(_version, gone))}
        print_json({"studies": found, "deleted": deleted} | (of_datasets if datasets else {}))
    else:
        listed = [f"dataset {one.name}, version {one.version}" for one in (gone if yes else unused)]
        say("\n".join([*(deleted if yes else found), *listed]) or "there are none")
        if (found or unused) and not yes:
            print("Nothing is deleted yet; add --yes, and --archive FOLDER to keep a zip of each.", file=sys.stderr)


@db.command()
def rewrap(database_url: DatabaseUrlOption = None, as_json: JsonOption = False) -> None:
    """Wrap the secrets in the database with the first key of REGSWEEP_SECRET_KEY, so that the others can be dropped."""
    from service.secret_wrapping import open_wrapper
    from service.storage.webhooks import WebhookStore

    settings = load_settings(database_url=database_url)
    with _existing_store(settings) as store:
        count = WebhookStore(store).rewrap(open_wrapper(settings).rewrap)
    if as_json:
        print_json({"rewrapped": count})
    else:
        print(
            f"{count} secrets are wrapped with the first key"
            if count != 1
            else "1 secret is wrapped with the first key"
        )


def _version(record: DatasetRecord) -> dict[str, object]:
    return {"name": record.name, "version": record.version}


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

    with _store_and_files(database_url, artifacts_url) as (store, artifacts):
        paths = storage_orphans.find(store, artifacts, 3600 * hours)
        listed = storage_orphans.remove(store, artifacts, paths) if remove else paths
    if as_json:
        print_json({"orphans": paths, "removed": listed if remove else []})
    else:
        print("\n".join(listed) or "there are none")
    sys.exit(0 if listed == paths else 1)


@contextmanager
def _store_and_files(database_url: str | None, artifacts_url: str | None) -> Iterator[tuple[Store, Artifacts]]:
    from service.storage.artifacts import Artifacts

    settings = load_settings(database_url=database_url, artifacts_url=artifacts_url)
    with _existing_store(settings) as store:
        yield store, Artifacts(settings.artifacts_url)


@contextmanager
def _existing_store(settings: Settings) -> Iterator[Store]:
    """Open the store of a database that must exist: looking after it must not make one."""
    from service.storage import schema
    from service.storage.store import Store

    schema.check(settings.database_url, must_exist=True)
    with closing(Store(settings.database_url)) as store, audit.by_user(user_name()):
        yield store
