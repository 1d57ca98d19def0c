"""`regsweep export optuna`: a study as a file that Optuna opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, KeyOption, ServerOption, StudyName, write_file
from service.cli.source import open_source


def export_optuna(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="SQLite file to write.")] = Path("study.db"),
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write a study for `optuna.load_study(study_name=NAME, storage="sqlite:///study.db")`, with all its trials."""
    with open_source(server, key, database_url, artifacts_url) as source:
        write_file(output, source.studies.optuna_study(name))
