"""`regsweep import`: makes a study file of another program's search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.imported_study import (
    DatasetOption,
    FixOption,
    ForceOption,
    LeaveOutOption,
    MapOption,
    OutputOption,
    TargetOption,
    choices_of,
    write_imported,
)
from service.cli.importing_peers import import_keras_tuner, import_optuna

imports = typer.Typer(
    help="Make a study file of another program's search; what has no meaning here is named, and refused.",
    no_args_is_help=True,
)


@imports.callback()
def _group() -> None: ...


@imports.command("wandb")
def import_wandb(
    source: Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="A sweep of Weights & Biases.")],
    output: OutputOption = Path("study.yaml"),
    dataset: DatasetOption = None,
    target: TargetOption = None,
    leave_out: LeaveOutOption = None,
    meanings: MapOption = None,
    values: FixOption = None,
    force: ForceOption = False,
) -> None:
    """Make a study of a sweep file of Weights & Biases: parameters, method, metric, early_terminate, run_cap."""
    from studies.imports.wandb_sweep import import_sweep, read_sweep

    sweep = read_sweep(source)
    choices = choices_of(leave_out, meanings, values)
    write_imported(
        lambda data, chosen, check: import_sweep(sweep, data, chosen, check),
        source, "W&B", output, dataset, target, choices, force=force,
    )  # fmt: skip


imports.command("optuna")(import_optuna)
imports.command("keras-tuner")(import_keras_tuner)
