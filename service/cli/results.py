"""`regsweep report | model | snippet | predict`: results that a user takes away, and predictions with them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import (
    FILE_HELP,
    ArtifactsUrlOption,
    DatabaseUrlOption,
    EncodingOption,
    JsonOption,
    KeyOption,
    ServerOption,
    SheetOption,
    StudyName,
    load_settings,
    print_json,
    refuse,
    write_file,
)
from service.cli.output import say
from service.cli.source import open_source

TechniqueOption = Annotated[
    str | None,
    typer.Option(help="Of a compared study: recommended, none, l1, …, l1+dropout, …; default: the best trial."),
]


def report(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("report.html"),
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a study's report: the recommendation, the techniques compared, every figure, in one HTML file."""
    with open_source(server, key, database_url, artifacts_url) as source:
        if as_json:
            print_json(source.studies.report_data(name))
            return
        write_file(output, source.studies.report(name).encode())


def model(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("model.keras"),
    technique: TechniqueOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write the best model of a study as a .keras file."""
    with open_source(server, key, database_url, artifacts_url) as source:
        write_file(output, source.studies.model(name, technique))


def snippet(
    name: StudyName,
    technique: TechniqueOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Print Keras code that rebuilds and trains the best model of a study."""
    with open_source(server, key, database_url, artifacts_url) as source:
        print(source.studies.snippet(name, technique), end="")


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.zip", help="A zip that `regsweep export` wrote.")],
    file: Annotated[Path, typer.Argument(metavar="ROWS", help=f"New raw rows: {FILE_HELP}")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File to write, a CSV or, where it ends in .json, JSON.")
    ] = Path("predictions.csv"),
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="A column to carry through to the predictions.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse rows with a value that training never saw, instead of telling it.")
    ] = False,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    escape_formulas: Annotated[
        bool,
        typer.Option("--escape-formulas", help="Put ' before texts of a CSV that spreadsheets would run: =, +, -, @."),
    ] = False,
    unfamiliar: Annotated[
        Path | None, typer.Option(help="JSON file to write, of the values that training never saw.", hidden=True)
    ] = None,
) -> None:
    """Predict new raw rows with an exported model; tell on standard error which values training never saw."""
    from service.cli.local_files import write_predictions, write_unfamiliar
    from service.client.data import format_of_path
    from service.logs import quiet_tensorflow

    max_parameters = load_settings(asks_server=True).max_parameters
    if output.suffix.lower() not in {".csv", ".txt", ".json", ""}:
        refuse(f"--output: {output} is to be a CSV or JSON, and ends in {output.suffix}")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    quiet_tensorflow()
    from studies.prediction import predict

    try:
        predictions = predict(
            model,
            file,
            format_of_path(file),
            encoding,
            sheet,
            id_column=id_column,
            strict=strict,
            max_parameters=max_parameters,
        )
        write_predictions(predictions, output, escape_formulas=escape_formulas)
        if unfamiliar is not None:
            write_unfamiliar(predictions, unfamiliar)
    except OSError as error:
        refuse(f"cannot read or write a file: {error}")
    for one in predictions.unfamiliar:
        say(f"regsweep: {one.text}", file=sys.stderr)
    print(output)
