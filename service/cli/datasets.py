"""`regsweep datasets`: uploads, lists and deletes datasets on a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import KeyOption, ServerOption, open_client, refuse

datasets = typer.Typer(help="Your own datasets on a server.", no_args_is_help=True)


@datasets.command("add")
def add_dataset(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet or .npz.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    name: Annotated[str | None, typer.Option(help="The dataset's name; default made of the file's.")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression; inferred when left out.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column that is not read; may be repeated.")] = None,
    weight: Annotated[str | None, typer.Option(help="The column with the weight of each row.")] = None,
    group: Annotated[
        str | None, typer.Option(help="The column whose equal values stay in one part of every split.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="The column that orders the rows in time.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Upload a file to a server; print the dataset's name."""
    from service.cli.local_files import format_of_file
    from service.names import make_name

    options = {"name": name or make_name(file.stem), "format": format_of_file(file)}
    columns = {"target": target, "task": task, "ignore": ignore, "weight": weight, "group": group, "time": time}
    with open_client(server, key) as client:
        try:
            dataset, is_new = client.add_dataset_or_find(file, options | columns)
        except OSError as error:
            refuse(f"cannot read {file}: {error.strerror}")
        newest = dataset.version if is_new else client.dataset_versions(dataset.name)[0].version
    if dataset.version != newest:
        older = f"this is version {dataset.version} of '{dataset.name}', whose name alone means version {newest}"
        print(f"regsweep: {older}; say `version: {dataset.version}` in a study of this one", file=sys.stderr)
    for warning in dataset.profile.warnings:
        print(f"regsweep: {warning}", file=sys.stderr)
    print(dataset.name)


@datasets.command("list")
def list_datasets(
    name: Annotated[str | None, typer.Argument(help="A dataset, whose versions are listed.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """List the datasets that a study can name, or the versions of one."""
    with open_client(server, key) as client:
        if name is not None:
            for one in client.dataset_versions(name):
                print(one.version, f"{one.created_at:%Y-%m-%d %H:%M}", one.digest[:8], f"{one.bytes} bytes", sep="\t")
            return
        for dataset in client.datasets():
            facts = [dataset.task, f"{dataset.rows} rows", dataset.about]
            if dataset.version is not None:
                facts.append(f"version {dataset.version}")
            print(dataset.kind, dataset.name, *facts, sep="\t")


@datasets.command("delete")
def delete_dataset(
    name: Annotated[str, typer.Argument(help="A dataset's name.")],
    version: Annotated[int | None, typer.Option(help="One version only.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Delete an uploaded dataset with all its versions, or one version; refused while a study is about one of them."""
    with open_client(server, key) as client:
        client.delete_dataset(name, version)
