"""`regsweep export mlflow | tensorboard | wandb-offline`: a study's trials where trackers look."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, KeyOption, ServerOption, StudyName
from service.cli.output import say
from service.cli.source import open_source

if TYPE_CHECKING:
    from service.loggers.tracker import Tracker


def export_mlflow(
    name: StudyName,
    tracking_uri: Annotated[
        str,
        typer.Option(
            envvar="MLFLOW_TRACKING_URI", help="MLflow's tracking server, http://…, or its database, sqlite:///FILE."
        ),
    ],
    experiment: Annotated[str | None, typer.Option(help="MLflow's experiment, regsweep/NAME when left out.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write a study's trials, model and report to MLflow; what is there already is not written twice."""

    def tracker() -> Tracker:
        from service.loggers.mlflow_tracker import MlflowTracker

        return MlflowTracker(tracking_uri, experiment)

    _export(name, tracker, tracking_uri, (server, key, database_url, artifacts_url))


def export_tensorboard(
    name: StudyName,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for TensorBoard's --logdir.")] = Path("runs"),
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write a study's trials as scalars and HParams that TensorBoard shows."""

    def tracker() -> Tracker:
        from service.loggers.tensorboard_tracker import TensorboardTracker

        return TensorboardTracker(output)

    _export(name, tracker, str(output), (server, key, database_url, artifacts_url))


def export_wandb_offline(
    name: StudyName,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder to write, whose runs `wandb sync` uploads.")
    ] = Path("wandb-runs"),
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Write a study's trials as offline runs of W&B; nothing is sent."""

    def tracker() -> Tracker:
        from service.loggers.wandb_tracker import WandbTracker

        return WandbTracker(output)

    _export(name, tracker, str(output), (server, key, database_url, artifacts_url))


def _export(
    name: str,
    make: Callable[[], Tracker],
    place: str,
    flags: tuple[str | None, str | None, str | None, str | None],
) -> None:
    from service.loggers.exporting import log_study
    from service.loggers.reading import StudyReader
    from service.loggers.tracker import without_password

    with open_source(*flags) as source:
        logged = log_study(StudyReader(source.studies, name), make())
    if logged.known:
        say(f"regsweep: {logged.known} trials were there already, {logged.written} are new or changed", file=sys.stderr)
    print(without_password(place))
