"""`regsweep export trials`: a study's trials as a table, a CSV, or a file whose columns have types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import (
    ArtifactsUrlOption,
    DatabaseUrlOption,
    KeyOption,
    ServerOption,
    StudyName,
    refuse,
    write_file,
)
from service.cli.source import open_source

if TYPE_CHECKING:
    from service.trials_file import TrialsFormat

_FORMATS: dict[str, TrialsFormat] = {".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow", ".csv": "csv"}


def export_trials(
    name: StudyName,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File to write; its ending says how: .parquet, .arrow or .csv.")
    ] = Path("trials.parquet"),
    escape_formulas: Annotated[
        bool,
        typer.Option("--escape-formulas", help="Put ' before texts of a CSV that spreadsheets would run: =, +, -, @."),
    ] = False,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write all trials of a study as a table: params, metrics, state and times, each a column with its type."""
    kind = _FORMATS.get(output.suffix.lower())
    if kind is None:
        refuse(f"--output: {output} is to end in {', '.join(_FORMATS)}, which says its format")
    with open_source(server, key, database_url, artifacts_url) as source:
        if escape_formulas and kind == "csv":
            from service import trials_file

            content = trials_file.write(source.studies.trials(name), kind, escape_formulas=True)
        else:
            content = source.studies.trials_file(name, kind)
        write_file(output, content)
