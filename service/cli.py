"""The command `regsweep`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from service import logs
from service.scopes import Scope
from service.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from service.client import Client
    from service.schemas import StudyView
    from service.storage.keys import KeyStore
    from service.storage.records import KeyRecord

_LONGEST_KEY_NAME = 100

app = typer.Typer(
    help="Which regularization to use on your data, how much of it, and how sure that is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
db = typer.Typer(help="Look after the database.", no_args_is_help=True)
app.add_typer(db, name="db")

datasets = typer.Typer(help="Your own datasets on a server.", no_args_is_help=True)
app.add_typer(datasets, name="datasets")

keys = typer.Typer(help="API keys, kept in the database that the server uses.", no_args_is_help=True)
app.add_typer(keys, name="keys")

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file.")]
ModelFile = Annotated[
    Path | None,
    typer.Option("--model", help="A Keras model, .json or .keras, in place of the study's; its weights are not read."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A study's name.")]
Server = Annotated[str | None, typer.Option("--server", help="The server's URL [REGSWEEP_SERVER_URL].")]
Key = Annotated[
    str | None,
    typer.Option("--key", help="The server's API key [REGSWEEP_KEY, REGSWEEP_KEY_FILE]; others see a command line."),
]
DatabaseUrl = Annotated[str | None, typer.Option(help="SQLAlchemy URL of the database [REGSWEEP_DATABASE_URL].")]
ArtifactsUrl = Annotated[str | None, typer.Option(help="fsspec URL of the models' folder [REGSWEEP_ARTIFACTS_URL].")]
Workers = Annotated[int | None, typer.Option(help="Worker processes, default one a core [REGSWEEP_WORKERS].")]
LogLevelText = Annotated[str | None, typer.Option(help="debug, info, warning or error [REGSWEEP_LOG_LEVEL].")]


def _show_version(asked: bool) -> None:
    if asked:
        from service.version import VERSION

        print(VERSION)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # its callback has answered
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command; what the user did wrong is one clear line and exit 2."""
    from service.errors import ServiceError
    from studies.errors import StudiesError

    try:
        app()
    except ServiceError as error:
        _refuse(str(error))
    except StudiesError as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _refuse(message: str) -> NoReturn:
    for line in message.splitlines():
        print(f"regsweep: {line}", file=sys.stderr)
    sys.exit(2)


def _settings(**flags: Any) -> Settings:
    """The environment's settings with the flags that were given; a wrong one ends the command."""
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
    except SettingsError as error:
        _refuse(str(error))
    except ValidationError as error:
        from studies.study_file import field_errors

        _refuse("\n".join(f"REGSWEEP_{e.field.upper()}: {e.message}" for e in field_errors(error.errors())))
    logs.configure(settings.log_level)
    return settings


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [REGSWEEP_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one [REGSWEEP_PORT].")] = None,
    workers: Workers = None,
    database_url: DatabaseUrl = None,
    artifacts_url: ArtifactsUrl = None,
    log_level: LogLevelText = None,
) -> None:
    """Run the server with its workers."""
    from service.server import run

    settings = _settings(
        host=host,
        port=port,
        workers=workers,
        database_url=database_url,
        artifacts_url=artifacts_url,
        log_level=log_level,
    )
    run(settings)


@app.command()
def worker(
    database_url: DatabaseUrl = None,
    artifacts_url: ArtifactsUrl = None,
    study: Annotated[str | None, typer.Option(help="Serve this study only.")] = None,
    attached: Annotated[bool, typer.Option("--attached", help="Leave when standard input closes.")] = False,
    name: Annotated[str | None, typer.Option(help="The worker's name, made up when left out.")] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Tell by REGSWEEP_HEARTBEAT_PATH whether it lives: exit 0, or 1 and why not."),
    ] = False,
    log_level: LogLevelText = None,
) -> None:
    """Run one worker alone."""
    settings = _settings(database_url=database_url, artifacts_url=artifacts_url, log_level=log_level)
    if check:
        from service.worker.sign_of_life import missing

        sys.exit(missing(settings.heartbeat_path, settings.lease_seconds))
    from service.worker.worker import main as work

    work(settings, study, attached, name)


@app.command()
def run(
    file: StudyFile,
    model: ModelFile = None,
    workers: Workers = None,
    database_url: DatabaseUrl = None,
    artifacts_url: ArtifactsUrl = None,
    log_level: LogLevelText = "warning",
) -> None:
    """Run a study here, without a server; the same file again goes on with what was left."""
    from service.foreground import run_study

    settings = _settings(workers=workers, database_url=database_url, artifacts_url=artifacts_url, log_level=log_level)
    sys.exit(run_study(file, settings, model))


@app.command()
def submit(file: StudyFile, model: ModelFile = None, server: Server = None, key: Key = None) -> None:
    """Submit a study to a server."""
    from service.local_files import dataset_kind, uploaded_to
    from studies.study_file import document, parse

    given = document(file, model)
    kind = dataset_kind(given)
    if kind not in ("file", "uploaded"):  # which only the server knows
        given = parse(given).model_dump(mode="json")
    with _client(server, key) as client:
        study = client.submit(uploaded_to(client, given, file.parent) if kind == "file" else given)
    print(study.name)


@app.command()
def watch(name: Name, server: Server = None, key: Key = None) -> None:
    """Follow a study until it ends, then show it."""
    from rich.console import Console

    from service import terminal

    console = Console()
    with _client(server, key) as client:
        study = terminal.follow(console, lambda: client.study(name))
        terminal.show_study(console, study, client.trials(name), client.best(name))
        _show_comparison(console, client, study)


@app.command()
def studies(server: Server = None, key: Key = None) -> None:
    """List the studies of a server."""
    from rich.console import Console

    from service import terminal

    with _client(server, key) as client:
        terminal.show_studies(Console(), client.studies())


@app.command()
def show(name: Name, server: Server = None, key: Key = None) -> None:
    """Show a study: its state, its best trial, the best of each regularizer kind."""
    from rich.console import Console

    from service import terminal

    with _client(server, key) as client:
        console, study = Console(), client.study(name)
        terminal.show_study(console, study, client.trials(name), client.best(name))
        _show_comparison(console, client, study)


@app.command()
def report(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the page goes.")] = Path("report.html"),
    server: Server = None,
    key: Key = None,
) -> None:
    """Write a study's report: the recommendation, the techniques compared, every figure, in one HTML file."""
    with _client(server, key) as client:
        page = client.report(name)
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        _refuse(f"cannot write {output}: {error.strerror}")
    print(output)


@app.command()
def demo(
    file: StudyFile,
    workers: Workers = None,
    database_url: DatabaseUrl = None,
    artifacts_url: ArtifactsUrl = None,
) -> None:
    """Start a server, submit a study over REST, follow it to its end and show the result."""
    from service.demo import run as run_demo

    settings = _settings(workers=workers, database_url=database_url, artifacts_url=artifacts_url, log_level="warning")
    sys.exit(run_demo(file, settings))


@app.command()
def pause(name: Name, server: Server = None, key: Key = None) -> None:
    """Let a study stand still; its running trials keep their state."""
    _move(name, "pause", server, key)


@app.command()
def resume(name: Name, server: Server = None, key: Key = None) -> None:
    """Go on with a paused study."""
    _move(name, "resume", server, key)


@app.command()
def stop(name: Name, server: Server = None, key: Key = None) -> None:
    """End a study and keep its results."""
    _move(name, "stop", server, key)


@app.command()
def delete(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Also one that has not ended.")] = False,
    server: Server = None,
    key: Key = None,
) -> None:
    """Delete a study with its trials, its comparison and its models."""
    with _client(server, key) as client:
        client.delete(name, force=force)


def _move(name: str, way: str, server: str | None, key: str | None) -> None:
    with _client(server, key) as client:
        print(client.move(name, way).state)


@datasets.command("add")
def add_dataset(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet or .npz.")],
    target: Annotated[str, typer.Option(help="The column that is to be predicted.")],
    name: Annotated[str | None, typer.Option(help="What studies call it, default the file's name.")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression; seen when left out.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column that is not read; may stand often.")] = None,
    weight: Annotated[str | None, typer.Option(help="The column that says how much a row counts.")] = None,
    group: Annotated[str | None, typer.Option(help="The column whose rows stay on one side of every split.")] = None,
    time: Annotated[str | None, typer.Option(help="The column that says when a row came about.")] = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Upload a file to a server; prints the dataset's name."""
    from service.local_files import format_of

    options = {"target": target, "task": task, "ignore": ignore, "weight": weight, "group": group, "time": time}
    with _client(server, key) as client:
        try:
            added = client.add_dataset(file, {"name": name or file.stem, "format": format_of(file), **options})
        except OSError as error:
            _refuse(f"cannot read {file}: {error.strerror}")
    for warning in added.profile.warnings:
        print(f"regsweep: {warning}", file=sys.stderr)
    print(added.name)


@datasets.command("list")
def list_datasets(server: Server = None, key: Key = None) -> None:
    """List what a study's dataset can name."""
    with _client(server, key) as client:
        for one in client.datasets():
            print(f"{one.kind}\t{one.name}\t{one.task}\t{one.rows} rows\t{one.about}")


@datasets.command("delete")
def delete_dataset(
    name: Annotated[str, typer.Argument(help="A dataset's name.")], server: Server = None, key: Key = None
) -> None:
    """Delete an uploaded dataset; refused while a study is about it."""
    with _client(server, key) as client:
        client.delete_dataset(name)


@app.command()
def export(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the zip goes.")] = Path("model.zip"),
    technique: Annotated[
        str | None,
        typer.Option(help="Of a compared study: recommended, none, dropout, l1, l2, …; default: the best trial."),
    ] = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Write the best model of a study of an uploaded dataset, with its fitted preprocessing, as a zip."""
    with _client(server, key) as client:
        content = client.export(name, technique)
    try:
        output.write_bytes(content)
    except OSError as error:
        _refuse(f"cannot write {output}: {error.strerror}")
    print(output)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.zip", help="What `regsweep export` wrote.")],
    file: Annotated[Path, typer.Argument(metavar="ROWS", help="New raw rows: CSV, TSV, Parquet or .npz.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the predictions go.")] = Path("predictions.csv"),
) -> None:
    """Predict new raw rows with an exported model; writes a CSV."""
    from service.local_files import format_of, write_predictions

    _quiet_tensorflow()
    from studies.prediction import predict as predicted

    try:
        write_predictions(predicted(model, file, format_of(file)), output)
    except OSError as error:
        _refuse(f"cannot read or write a file: {error}")
    print(output)


def _quiet_tensorflow() -> None:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


@db.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")], database_url: DatabaseUrl = None
) -> None:
    """Copy the database as it stands now, also while everything runs."""
    from service.storage.backup import backup

    backup(_settings(database_url=database_url).database_url, file)
    print(file)


@db.command()
def check(database_url: DatabaseUrl = None, artifacts_url: ArtifactsUrl = None) -> None:
    """Verify that the records are whole: budgets, leases, attempts, Optuna's tables, files; exit 1 if they are not."""
    from service.storage import database
    from service.storage.artifacts import Artifacts
    from service.storage.invariants import violations
    from service.storage.store import Store

    settings = _settings(database_url=database_url, artifacts_url=artifacts_url)
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
    database_url: DatabaseUrl = None,
    artifacts_url: ArtifactsUrl = None,
) -> None:
    """List the files of models, checkpoints and datasets that no record points to; exit 1 if one cannot be removed."""
    from service.storage import database
    from service.storage import orphans as unclaimed
    from service.storage.artifacts import Artifacts
    from service.storage.store import Store

    settings = _settings(database_url=database_url, artifacts_url=artifacts_url)
    database.check(settings.database_url, must_exist=True)
    store, artifacts = Store(settings.database_url), Artifacts(settings.artifacts_url)
    found = unclaimed.find(store, artifacts, 3600 * hours)
    gone = unclaimed.remove(store, artifacts, found) if remove else found
    store.close()
    print("\n".join(gone) or "there are none")
    sys.exit(0 if gone == found else 1)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, or what it is for.")],
    scope: Annotated[Scope, typer.Option(help="read; submit: and submit and steer; admin: and delete.")] = "read",
    days: Annotated[float | None, typer.Option(help="Days until it expires, default never.")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key and print it, this once."""
    if not 0 < len(name) <= _LONGEST_KEY_NAME or not name.isprintable():
        _refuse(f"NAME: must be 1 to {_LONGEST_KEY_NAME} printable characters")
    if days is not None and not 0 < days < float("inf"):
        _refuse("--days: must be more than 0")
    with _keys(database_url) as store:
        print(store.create(name, scope, days).text)


@keys.command("list")
def list_keys(database_url: DatabaseUrl = None) -> None:
    """List the keys: id, name, scope, the days it was made and last used, and how it stands."""
    with _keys(database_url) as store:
        for one in store.all():
            print(one.id, one.name, one.scope, f"made {_day(one.created_at)}", _use(one), _standing(one), sep="\t")


def _day(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d}"


def _use(key: KeyRecord) -> str:
    return "never used" if key.last_used_at is None else f"used {_day(key.last_used_at)}"


def _standing(key: KeyRecord) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is None:
        return "never expires"
    return f"{'expired' if key.expires_at <= time.time() else 'expires'} {_day(key.expires_at)}"


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `regsweep keys list` shows it.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Let a key, and every browser logged in with it, be of no use from now on."""
    with _keys(database_url) as store:
        store.revoke(key_id)


@contextmanager
def _keys(database_url: str | None) -> Iterator[KeyStore]:
    from service.storage.keys import KeyStore
    from service.storage.store import Store

    store = Store(_settings(database_url=database_url, log_level="warning").database_url)
    try:
        yield KeyStore(store)
    finally:
        store.close()


def _show_comparison(console: Console, client: Client, study: StudyView) -> None:
    from service import terminal

    if study.comparison is not None:
        terminal.show_comparison(console, client.comparison(study.name))


def _client(server: str | None, key: str | None) -> Client:
    from service.client import Client, key_of

    settings = _settings(server_url=server, key=key, log_level="warning")
    return Client(settings.server_url, key_of(settings))


if __name__ == "__main__":
    main()
