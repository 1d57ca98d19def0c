"""`regsweep import optuna` and `regsweep import keras-tuner`."""

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

FirstTrialsOption = Annotated[
    int | None,
    typer.Option(
        "--first-trials", min=0, max=1000,
        help="How many of its best trials' params are tried first; when left out, half of them and at most 10.",
    ),
]  # fmt: skip


def import_optuna(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A storage's URL, as sqlite:///study.db, a journal file, or distributions as JSON."
        ),
    ],
    study_name: Annotated[
        str | None, typer.Option("--study-name", help="The study; may be left out where there is one.")
    ] = None,
    output: OutputOption = Path("study.yaml"),
    dataset: DatasetOption = None,
    target: TargetOption = None,
    leave_out: LeaveOutOption = None,
    meanings: MapOption = None,
    values: FixOption = None,
    first_trials: FirstTrialsOption = None,
    force: ForceOption = False,
) -> None:
    """Make a study of an Optuna study: its distributions, its objectives, and the params of its best trials."""
    from service.optuna_source import read_source
    from studies.imports.optuna_study import import_study

    study = read_source(source, study_name)
    choices = choices_of(leave_out, meanings, values)
    write_imported(
        lambda data, chosen, check: import_study(study, data, chosen, check, first_trials),
        source.rpartition("@")[2], "Optuna", output, dataset, target, choices, force=force,
    )  # fmt: skip


def import_keras_tuner(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="A tuner's project folder, or json.dumps(hp.get_config()) in a file."),
    ],
    output: OutputOption = Path("study.yaml"),
    dataset: DatasetOption = None,
    target: TargetOption = None,
    leave_out: LeaveOutOption = None,
    meanings: MapOption = None,
    values: FixOption = None,
    first_trials: FirstTrialsOption = None,
    force: ForceOption = False,
) -> None:
    """Make a study of a KerasTuner search: its HyperParameters, and the params of its best trials."""
    from studies.imports.keras_tuner import import_search
    from studies.imports.keras_tuner_files import read_search

    oracle, trials = read_search(source)
    choices = choices_of(leave_out, meanings, values)
    write_imported(
        lambda data, chosen, check: import_search(oracle, trials, data, chosen, check, first_trials),
        source, "KerasTuner", output, dataset, target, choices, force=force,
    )  # fmt: skip
