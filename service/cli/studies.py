"""`regsweep run | submit | studies | show | watch | pause | resume | stop | delete`: studies, here and on a server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import (
    ArtifactsUrlOption,
    DatabaseUrlOption,
    KeyOption,
    LogLevelOption,
    ModelFile,
    ServerOption,
    StudyFile,
    StudyName,
    WorkersOption,
    load_settings,
    open_client,
    warn_of,
)

if TYPE_CHECKING:
    from rich.console import Console

    from service.client import Client
    from service.client.blocking.studies import StudyAction
    from service.schemas.studies import StudyView


def run(
    file: StudyFile,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare techniques as well, as the file's `comparison` says.")
    ] = False,
    model: ModelFile = None,
    workers: WorkersOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    log_level: LogLevelOption = "warning",
) -> None:
    """Run a study here, without a server; the same file again goes on where the study was left."""
    from service.cli.compare import with_comparison
    from service.cli.local_run import run_study
    from studies.study_file import read_document

    settings = load_settings(
        workers=workers, database_url=database_url, artifacts_url=artifacts_url, log_level=log_level
    )
    study = read_document(file, model)
    sys.exit(run_study(with_comparison(study, {}) if compare else study, settings, file, model))


def submit(file: StudyFile, model: ModelFile = None, server: ServerOption = None, key: KeyOption = None) -> None:
    """Submit a study to a server."""
    from service.cli.local_files import submit_study
    from studies.study_file import read_document

    study = read_document(file, model)
    with open_client(server, key) as client:
        submitted = submit_study(client, study, file.parent)
    warn_of(submitted)
    print(submitted.name)


def watch(name: StudyName, server: ServerOption = None, key: KeyOption = None) -> None:
    """Follow a study until it ends, then show it; exit 1 when it gave no result, as `run` does."""
    from rich.console import Console

    from service.cli import terminal

    console = Console()
    with open_client(server, key) as client:
        study = terminal.follow(console, lambda: client.study(name))
        _show(console, client, study, server)
    sys.exit(terminal.exit_status(study))


def studies(server: ServerOption = None, key: KeyOption = None) -> None:
    """List the studies of a server."""
    from rich.console import Console

    from service.cli import terminal

    with open_client(server, key) as client:
        terminal.show_studies(Console(), client.studies())


def show(name: StudyName, server: ServerOption = None, key: KeyOption = None) -> None:
    """Show a study: its state, its best trial, the best of each regularizer kind."""
    from rich.console import Console

    with open_client(server, key) as client:
        _show(Console(), client, client.study(name), server)


def pause(name: StudyName, server: ServerOption = None, key: KeyOption = None) -> None:
    """Pause a study; its running trials keep their state."""
    _move(name, "pause", server, key)


def resume(name: StudyName, server: ServerOption = None, key: KeyOption = None) -> None:
    """Resume a paused study."""
    _move(name, "resume", server, key)


def stop(name: StudyName, server: ServerOption = None, key: KeyOption = None) -> None:
    """End a study and keep its results."""
    _move(name, "stop", server, key)


def delete(
    name: StudyName,
    force: Annotated[bool, typer.Option("--force", help="Also a study that has not ended.")] = False,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Delete a study with its trials, its comparison and its models."""
    with open_client(server, key) as client:
        client.delete(name, force=force)


def _move(name: str, action: StudyAction, server: str | None, key: str | None) -> None:
    with open_client(server, key) as client:
        print(client.set_state(name, action).state)


def _show(console: Console, client: Client, study: StudyView, server: str | None) -> None:
    from service.cli import terminal
    from service.cli.next_step import next_step
    from service.cli.terminal_comparison import show_comparison

    terminal.show_study(console, study, client.trials(study.name), client.best(study.name))
    if study.comparison is not None:
        show_comparison(console, client.comparison(study.name))
    console.print(next_step(study, server), highlight=False, markup=False, soft_wrap=True)
