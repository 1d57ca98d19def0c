"""`regsweep datasets`: your own datasets on a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import KeyOption, ServerOption, client_of, refuse

datasets = typer.Typer(help="Your own datasets on a server.", no_args_is_help=True)


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
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Upload a file to a server; prints the dataset's name."""
    from service.cli.local_files import format_of

    options = {"target": target, "task": task, "ignore": ignore, "weight": weight, "group": group, "time": time}
    with client_of(server, key) as client:
        try:
            added = client.add_dataset(file, {"name": name or file.stem, "format": format_of(file), **options})
        except OSError as error:
            refuse(f"cannot read {file}: {error.strerror}")
    for warning in added.profile.warnings:
        print(f"regsweep: {warning}", file=sys.stderr)
    print(added.name)


@datasets.command("list")
def list_datasets(server: ServerOption = None, key: KeyOption = None) -> None:
    """List what a study's dataset can name."""
    with client_of(server, key) as client:
        for one in client.datasets():
            print(f"{one.kind}\t{one.name}\t{one.task}\t{one.rows} rows\t{one.about}")


@datasets.command("delete")
def delete_dataset(
    name: Annotated[str, typer.Argument(help="A dataset's name.")], server: ServerOption = None, key: KeyOption = None
) -> None:
    """Delete an uploaded dataset; refused while a study is about it."""
    with client_of(server, key) as client:
        client.delete_dataset(name)
