"""`regsweep projects`: makes, lists and deletes projects, and gives them quotas."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import DatabaseUrlOption, JsonOption, KeyOption, ServerOption, print_json, refuse
from service.cli.source import open_source

projects = typer.Typer(help="What studies, datasets and keys belong to.", no_args_is_help=True)

ProjectName = Annotated[str, typer.Argument(metavar="NAME", help="A project's name.")]
_OWN = "; `none` for the server's"
ActiveStudiesOption = Annotated[str | None, typer.Option(help=f"Most studies that have not ended{_OWN}.")]
WaitingTrialsOption = Annotated[str | None, typer.Option(help=f"Most trials that wait for a worker{_OWN}.")]
StoredBytesOption = Annotated[str | None, typer.Option(help=f"Most bytes of datasets and models{_OWN}.")]


@projects.command("create")
def create_project(
    name: ProjectName,
    active_studies: ActiveStudiesOption = None,
    waiting_trials: WaitingTrialsOption = None,
    stored_bytes: StoredBytesOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Make a project; print its name."""
    quotas = _read(active_studies=active_studies, waiting_trials=waiting_trials, stored_bytes=stored_bytes)
    with open_source(server, key, database_url, None) as source:
        print(source.studies.create_project(name, **quotas).name)


@projects.command("list")
def list_projects(
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the projects: what each has, and how much of each quota is used."""
    with open_source(server, key, database_url, None) as source:
        found = list(source.studies.projects())
        if as_json:
            print_json(found)
            return
        from service.cli.listings import show_projects
        from service.cli.terminal import open_console

        show_projects(open_console(), found)


@projects.command("set")
def set_quotas(
    name: ProjectName,
    active_studies: ActiveStudiesOption = None,
    waiting_trials: WaitingTrialsOption = None,
    stored_bytes: StoredBytesOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Give a project quotas of its own; those that are left out stay as they are."""
    quotas = _read(active_studies=active_studies, waiting_trials=waiting_trials, stored_bytes=stored_bytes)
    if not quotas:
        refuse("say what the project may have: --active-studies, --waiting-trials, --stored-bytes, or several")
    with open_source(server, key, database_url, None) as source:
        source.studies.change_project(name, **quotas)


@projects.command("delete")
def delete_project(
    name: ProjectName,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Delete a project that has no studies, no datasets and no keys."""
    with open_source(server, key, database_url, None) as source:
        source.studies.delete_project(name)


def _read(**given: str | None) -> dict[str, int | None]:
    """Read the quotas that were given: a number, or none."""
    quotas: dict[str, int | None] = {}
    for name, text in given.items():
        if text is None:
            continue
        if text != "none" and not (text.isascii() and text.isdecimal()):
            refuse(f"--{name.replace('_', '-')}: must be a whole number, or none for the server's")
        quotas[name] = None if text == "none" else int(text)
    return quotas
