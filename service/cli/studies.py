"""Commands about studies by their names: `studies`, `show`, `trials`, `watch`, `pause`, `stop`, `delete` and others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.cli.options import (
    ArtifactsUrlOption,
    DatabaseUrlOption,
    JsonOption,
    KeyOption,
    OfProjectOption,
    ServerOption,
    StudyName,
    print_json,
)
from service.cli.output import say
from service.cli.source import open_source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def studies(
    project: OfProjectOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the studies."""
    with open_source(server, key, database_url, artifacts_url) as source:
        found = source.studies.studies(project=project)
        if as_json:
            print_json(_page(found))
            return
        from service.cli.listings import show_studies
        from service.cli.terminal import open_console

        show_studies(open_console(), found)


def show(
    name: StudyName,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a study: its state, its best trial, the best of each regularizer kind, its comparison's answer."""
    with open_source(server, key, database_url, artifacts_url) as source:
        study = source.studies.study(name)
        if as_json:
            print_json(study)
            return
        from service.cli.summary import show_all
        from service.cli.terminal import open_console

        show_all(open_console(), source, study, with_changes=True)


def trials(
    name: StudyName,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a study's trials that have started, with their values and params."""
    with open_source(server, key, database_url, artifacts_url) as source:
        found = source.studies.trials(name)
        if as_json:
            print_json(_page(found))
            return
        from service.cli.listings import show_trials
        from service.cli.terminal import open_console

        objectives = source.studies.study(name).spec["objectives"]
        show_trials(open_console(), list(found), objectives)


def watch(
    name: StudyName,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a study until it ends, then show it; exit 1 when it gave no result, as `run` does."""
    from service.cli import terminal
    from service.cli.following import follow
    from service.cli.looking import EventLooks, looking_at
    from service.cli.output import PlainConsole
    from service.cli.summary import show_all
    from service.client import Client

    with open_source(server, key, database_url, artifacts_url) as source:
        console = PlainConsole(stderr=True) if as_json else terminal.open_console()
        studies = source.studies
        follow(console, EventLooks(studies, name) if isinstance(studies, Client) else looking_at(studies, name))
        study = studies.study(name)
        if as_json:
            print_json(study)
        else:
            show_all(console, source, study)
    sys.exit(terminal.exit_status(study))


def pause(
    name: StudyName,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Pause a study; its running trials keep their state."""
    _move(name, "pause", server, key, database_url)


def resume(
    name: StudyName,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Resume a paused study."""
    _move(name, "resume", server, key, database_url)


def stop(
    name: StudyName,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """End a study and keep its results."""
    _move(name, "stop", server, key, database_url)


def workers(
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the workers that are alive: what each does, for which study, and how many trials it holds."""
    with open_source(server, key, database_url, None) as source:
        alive = source.studies.workers()
        if as_json:
            print_json(alive)
            return
        from service.cli.listings import show_workers
        from service.cli.terminal import open_console

        show_workers(open_console(), alive)


def delete(
    name: StudyName,
    force: Annotated[bool, typer.Option("--force", help="Also a study that has not ended.")] = False,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Delete a study with its trials, its comparison and its models."""
    with open_source(server, key, database_url, artifacts_url) as source:
        source.studies.delete(name, force=force)


def _move(
    name: str,
    action: Literal["pause", "resume", "stop"],
    server: str | None,
    key: str | None,
    database_url: str | None,
) -> None:
    with open_source(server, key, database_url, None) as source:
        say(source.studies.set_state(name, action).state)


def _page(items: Iterable[Any]) -> dict[str, Any]:
    """All items as the one page of a listing."""
    return {"items": list(items), "next": None}
