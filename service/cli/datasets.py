"""`regsweep datasets`: uploads, lists and deletes datasets on a server."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.options import (
    FILE_HELP,
    EncodingOption,
    JsonOption,
    KeyOption,
    OfProjectOption,
    ProjectOption,
    ServerOption,
    SheetOption,
    load_settings,
    open_client,
    print_json,
    refuse,
)
from service.cli.output import say

datasets = typer.Typer(help="Your own datasets on a server.", no_args_is_help=True)


@datasets.command("add")
def add_dataset(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    name: Annotated[str | None, typer.Option(help="The dataset's name; default made of the file's.")] = None,
    task: Annotated[str | None, typer.Option(help="binary, multiclass or regression; inferred when left out.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column that is not read; may be repeated.")] = None,
    weight: Annotated[str | None, typer.Option(help="The column with the weight of each row.")] = None,
    group: Annotated[
        str | None, typer.Option(help="The column whose equal values stay in one part of every split.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="The column that orders the rows in time.")] = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KIND",
            help="How a column is to be read: number, category, date, text or ignore, or its options, as "
            "`{kind: date, format: '%d/%m/%Y'}`; may be repeated.",
        ),
    ] = None,
    drop_missing_target: Annotated[
        bool, typer.Option("--drop-missing-target", help="Leave out the rows without a target.")
    ] = False,
    drop_rare_classes: Annotated[
        bool, typer.Option("--drop-rare-classes", help="Leave out the rows whose class has fewer than 5 rows.")
    ] = False,
    project: ProjectOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Upload a file to a server; print the dataset's name."""
    from service.client.data import format_of_path, name_of_path

    options: dict[str, Any] = {"name": name or name_of_path(file), "format": format_of_path(file)}
    options |= {"target": target, "task": task, "ignore": ignore, "weight": weight, "group": group, "time": time}
    options |= {"encoding": encoding, "sheet": sheet, "columns": _read_columns(column or ())}
    options |= {"project": load_settings(project=project, log_level="warning").project}
    options |= {"drop_missing_target": drop_missing_target, "drop_rare_classes": drop_rare_classes}
    with open_client(server, key) as client:
        try:
            dataset, is_new = client.add_dataset_or_find(file, options)
        except OSError as error:
            refuse(f"cannot read {file}: {error.strerror}")
        newest = dataset.version if is_new else client.dataset_versions(dataset.name)[0].version
    if is_new and dataset.version > 1:
        say(
            f"regsweep: this is version {dataset.version} of '{dataset.name}', whose name means it now", file=sys.stderr
        )
    if dataset.version != newest:
        older = f"this is version {dataset.version} of '{dataset.name}', whose name alone means version {newest}"
        say(f"regsweep: {older}; say `version: {dataset.version}` in a study of this one", file=sys.stderr)
    for warning in dataset.profile.warnings:
        say(f"regsweep: {warning}", file=sys.stderr)
    say(dataset.name)


def _read_columns(given: Iterable[str]) -> dict[str, Any]:
    """Read `NAME=KIND` and `NAME={options as YAML}`; the server checks kinds and options."""
    import yaml

    columns: dict[str, Any] = {}
    for one in given:
        if ("={" in one) != one.endswith("}"):
            refuse(f"--column: '{one}' has a bracket that is not closed, or not opened")
        name, equals, text = one.rpartition("={") if one.endswith("}") else one.rpartition("=")
        if not name:
            refuse(f"--column: '{one}' is no NAME=KIND, as zip=category or 'when={{kind: date, format: \"%d.%m.%Y\"}}'")
        try:
            columns[name] = yaml.safe_load("{" + text) if equals == "={" else {"kind": text}
        except yaml.YAMLError as error:
            refuse(f"--column: '{one}' is no YAML: {' '.join(str(error).split())}")
    return columns


@datasets.command("list")
def list_datasets(
    name: Annotated[str | None, typer.Argument(help="A dataset, whose versions are listed.")] = None,
    project: OfProjectOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the datasets that a study can name, or the versions of one."""
    with open_client(server, key) as client:
        if as_json:
            print_json(list(client.datasets(project) if name is None else client.dataset_versions(name)))
            return
        if name is not None:
            for one in client.dataset_versions(name):
                say(one.version, f"{one.created_at:%Y-%m-%d %H:%M}", one.digest[:8], f"{one.bytes} bytes", sep="\t")
            return
        for dataset in client.datasets(project):
            facts = [dataset.task, f"{dataset.rows} rows", dataset.about]
            if dataset.version is not None:
                facts.append(f"version {dataset.version}")
            say(dataset.kind, dataset.name, *facts, sep="\t")


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
