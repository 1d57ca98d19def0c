"""The command `regsweep`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from service import logs
from service.settings import Settings

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
db = typer.Typer(help="Look after the database.", no_args_is_help=True)
app.add_typer(db, name="db")

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file.")]
ModelFile = Annotated[
    Path | None,
    typer.Option("--model", help="A Keras model, .json or .keras, in place of the study's; its weights are not read."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A study's name.")]
Server = Annotated[str | None, typer.Option("--server", help="The server's URL [REGSWEEP_SERVER_URL].")]
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
    log_level: LogLevelText = None,
) -> None:
    """Run one worker alone."""
    settings = _settings(database_url=database_url, artifacts_url=artifacts_url, log_level=log_level)
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
def submit(file: StudyFile, model: ModelFile = None, server: Server = None) -> None:
    """Submit a study to a server."""
    from studies.study_file import read

    with _client(server) as client:
        study = client.submit(read(file, model).model_dump(mode="json"))
    print(study.name)


@app.command()
def watch(name: Name, server: Server = None) -> None:
    """Follow a study until it ends, then show it."""
    from rich.console import Console

    from service import terminal

    console = Console()
    with _client(server) as client:
        study = terminal.follow(console, lambda: client.study(name))
        terminal.show_study(console, study, client.trials(name), client.best(name))
        _show_comparison(console, client, study)


@app.command()
def studies(server: Server = None) -> None:
    """List the studies of a server."""
    from rich.console import Console

    from service import terminal

    with _client(server) as client:
        terminal.show_studies(Console(), client.studies())


@app.command()
def show(name: Name, server: Server = None) -> None:
    """Show a study: its state, its best trial, the best of each regularizer kind."""
    from rich.console import Console

    from service import terminal

    with _client(server) as client:
        console, study = Console(), client.study(name)
        terminal.show_study(console, study, client.trials(name), client.best(name))
        _show_comparison(console, client, study)


@app.command()
def report(
    name: Name,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the page goes.")] = Path("report.html"),
    server: Server = None,
) -> None:
    """Write a study's report: the recommendation, the techniques compared, every figure, in one HTML file."""
    with _client(server) as client:
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
def pause(name: Name, server: Server = None) -> None:
    """Let a study stand still; its running trials keep their state."""
    _move(name, "pause", server)


@app.command()
def resume(name: Name, server: Server = None) -> None:
    """Go on with a paused study."""
    _move(name, "resume", server)


@app.command()
def stop(name: Name, server: Server = None) -> None:
    """End a study and keep its results."""
    _move(name, "stop", server)


@app.command()
def delete(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Also one that has not ended.")] = False,
    server: Server = None,
) -> None:
    """Delete a study with its trials, its comparison and its models."""
    with _client(server) as client:
        client.delete(name, force=force)


def _move(name: str, way: str, server: str | None) -> None:
    with _client(server) as client:
        print(client.move(name, way).state)


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


def _show_comparison(console: Console, client: Client, study: StudyView) -> None:
    from service import terminal

    if study.comparison is not None:
        terminal.show_comparison(console, client.comparison(study.name))


def _client(server: str | None) -> Client:
    from service.client import Client

    return Client(_settings(server_url=server, log_level="warning").server_url)


if __name__ == "__main__":
    main()
