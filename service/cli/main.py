"""The command `regsweep`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.compare import compare, compared
from service.cli.datasets import datasets
from service.cli.db import db
from service.cli.keys import keys
from service.cli.options import (
    ArtifactsUrl,
    DatabaseUrl,
    Key,
    LogLevelText,
    ModelFile,
    Name,
    Server,
    StudyFile,
    Workers,
    client_of,
    refuse,
    settings_of,
)
from service.cli.results import export, model, snippet

if TYPE_CHECKING:
    from rich.console import Console

    from service.client import Client
    from service.schemas import StudyView

app = typer.Typer(
    help="Which regularization to use on your data, how much of it, and how sure that is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(db, name="db")
app.add_typer(datasets, name="datasets")
app.add_typer(keys, name="keys")
for command in (compare, export, model, snippet):
    app.command()(command)


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
        refuse(str(error))
    except StudiesError as error:
        refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


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
    from service.api.server import run

    settings = settings_of(
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
    settings = settings_of(database_url=database_url, artifacts_url=artifacts_url, log_level=log_level)
    if check:
        from service.worker.liveness import missing

        sys.exit(missing(settings.heartbeat_path, settings.lease_seconds))
    from service.worker.worker import main as work

    work(settings, study, attached, name)


@app.command()
def run(
    file: StudyFile,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare techniques as well, as `comparison` says.")
    ] = False,
    model: ModelFile = None,
    workers: Workers = None,
    database_url: DatabaseUrl = None,
    artifacts_url: ArtifactsUrl = None,
    log_level: LogLevelText = "warning",
) -> None:
    """Run a study here, without a server; the same file again goes on with what was left."""
    from service.cli.local_run import run_study
    from studies.study_file import document

    settings = settings_of(workers=workers, database_url=database_url, artifacts_url=artifacts_url, log_level=log_level)
    given = document(file, model)
    sys.exit(run_study(compared(given, {}) if compare else given, settings, file, model))


@app.command()
def submit(file: StudyFile, model: ModelFile = None, server: Server = None, key: Key = None) -> None:
    """Submit a study to a server."""
    from service.cli.local_files import submit as send
    from service.cli.local_files import uploaded
    from studies.study_file import document

    given = document(file, model)
    with client_of(server, key) as client:
        study = send(client, uploaded(client, given, file.parent))
    print(study.name)


@app.command()
def watch(name: Name, server: Server = None, key: Key = None) -> None:
    """Follow a study until it ends, then show it."""
    from rich.console import Console

    from service.cli import terminal

    console = Console()
    with client_of(server, key) as client:
        study = terminal.follow(console, lambda: client.study(name))
        _show(console, client, study, server)


@app.command()
def studies(server: Server = None, key: Key = None) -> None:
    """List the studies of a server."""
    from rich.console import Console

    from service.cli import terminal

    with client_of(server, key) as client:
        terminal.show_studies(Console(), client.studies())


@app.command()
def show(name: Name, server: Server = None, key: Key = None) -> None:
    """Show a study: its state, its best trial, the best of each regularizer kind."""
    from rich.console import Console

    with client_of(server, key) as client:
        _show(Console(), client, client.study(name), server)


@app.command()
def report(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the page goes.")] = Path("report.html"),
    server: Server = None,
    key: Key = None,
) -> None:
    """Write a study's report: the recommendation, the techniques compared, every figure, in one HTML file."""
    with client_of(server, key) as client:
        page = client.report(name)
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        refuse(f"cannot write {output}: {error.strerror}")
    print(output)


@app.command()
def demo(
    file: StudyFile,
    workers: Workers = None,
    database_url: DatabaseUrl = None,
    artifacts_url: ArtifactsUrl = None,
) -> None:
    """Start a server, submit a study over REST, follow it to its end and show the result."""
    from service.cli.demo import run as run_demo

    settings = settings_of(workers=workers, database_url=database_url, artifacts_url=artifacts_url, log_level="warning")
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
    with client_of(server, key) as client:
        client.delete(name, force=force)


def _move(name: str, way: str, server: str | None, key: str | None) -> None:
    with client_of(server, key) as client:
        print(client.move(name, way).state)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.zip", help="What `regsweep export` wrote.")],
    file: Annotated[Path, typer.Argument(metavar="ROWS", help="New raw rows: CSV, TSV, Parquet or .npz.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the predictions go.")] = Path("predictions.csv"),
) -> None:
    """Predict new raw rows with an exported model; writes a CSV."""
    from service.cli.local_files import format_of, write_predictions

    _quiet_tensorflow()
    from studies.prediction import predict as predicted

    try:
        write_predictions(predicted(model, file, format_of(file)), output)
    except OSError as error:
        refuse(f"cannot read or write a file: {error}")
    print(output)


def _quiet_tensorflow() -> None:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def _show(console: Console, client: Client, study: StudyView, server: str | None) -> None:
    from service.cli import terminal
    from service.cli.next_step import next_step
    from service.cli.terminal_comparison import show_comparison

    terminal.show_study(console, study, client.trials(study.name), client.best(study.name))
    if study.comparison is not None:
        show_comparison(console, client.comparison(study.name))
    console.print(next_step(study, server), highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
