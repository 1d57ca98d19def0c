"""`regsweep datasets`: uploads, lists and deletes datasets on a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.options import FILE_HELP, EncodingOption, KeyOption, ServerOption, SheetOption, open_client, refuse

datasets = typer.Typer(help="Your own datasets on a server.", no_args_is_help=True)


@datasets.command("add")
def add_dataset(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    name: Annotated[str | None, typer.Option(help="The dataset's name; default the file's.")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression; inferred when left out.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column that is not read; may be repeated.")] = None,
    weight: Annotated[str | None, typer.Option(help="The column with the weight of each row.")] = None,
    group: Annotated[
        str | None, typer.Option(help="The column whose equal values stay in one part of every split.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="The column that orders the rows in time.")] = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Upload a file to a server; print the dataset's name."""
    from service.cli.local_files import format_of_file, name_of_file

    options: dict[str, Any] = {"target": target, "task": task, "ignore": ignore, "weight": weight, "group": group}
    options |= {"time": time, "encoding": encoding, "sheet": sheet}
    with open_client(server, key) as client:
        try:
            dataset = client.add_dataset(
                file, {"name": name or name_of_file(file), "format": format_of_file(file), **options}
            )
        except OSError as error:
            refuse(f"cannot read {file}: {error.strerror}")
    for warning in dataset.profile.warnings:
        print(f"regsweep: {warning}", file=sys.stderr)
    print(dataset.name)


@datasets.command("list")
def list_datasets(server: ServerOption = None, key: KeyOption = None) -> None:
    """List the datasets that a study can name."""
    with open_client(server, key) as client:
        for dataset in client.datasets():
            print(dataset.kind, dataset.name, dataset.task, f"{dataset.rows} rows", dataset.about, sep="\t")


@datasets.command("delete")
def delete_dataset(
    name: Annotated[str, typer.Argument(help="A dataset's name.")], server: ServerOption = None, key: KeyOption = None
) -> None:
    """Delete an uploaded dataset; refused while a study is about it."""
    with open_client(server, key) as client:
        client.delete_dataset(name)
