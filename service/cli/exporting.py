"""`regsweep export`: a study's models and trials as files that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from service.cli import exporting_trackers
from service.cli.exporting_optuna import export_optuna
from service.cli.exporting_raw_rows import export_keras, export_onnx, export_saved_model
from service.cli.exporting_trials import export_trials
from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, KeyOption, ServerOption, StudyName, write_file
from service.cli.results import TechniqueOption
from service.cli.source import open_source

ZIP = "zip"


class _FormatOrStudy(TyperGroup):
    """Takes a first word that is no format as the name of a study, whose zip is meant: `regsweep export NAME`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [ZIP, *args]
        return super().parse_args(ctx, args)


export = typer.Typer(
    cls=_FormatOrStudy,
    help="Write what a study found as a file for other programs; `regsweep export NAME` writes the zip.",
    no_args_is_help=True,
)
export.command("trials")(export_trials)
export.command("optuna")(export_optuna)
export.command("keras")(export_keras)
export.command("saved-model")(export_saved_model)
export.command("onnx")(export_onnx)


@export.command(ZIP)
def export_zip(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("model.zip"),
    technique: TechniqueOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write the best model of a study of an uploaded dataset, with its fitted preprocessing, as a zip."""
    with open_source(server, key, database_url, artifacts_url) as source:
        write_file(output, source.studies.export(name, technique))


export.command("mlflow")(exporting_trackers.export_mlflow)
export.command("tensorboard")(exporting_trackers.export_tensorboard)
export.command("wandb-offline")(exporting_trackers.export_wandb_offline)
