"""`regsweep run | submit`: what begins with a study file."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from service.cli.options import (
    ArtifactsUrlOption,
    DatabaseUrlOption,
    KeyOption,
    LogLevelOption,
    ModelFile,
    ProjectOption,
    ServerOption,
    StudyFile,
    WorkersOption,
    load_settings,
    open_client,
    warn_of,
)
from service.cli.output import say


def run(
    file: StudyFile,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare techniques as well, as the file's `comparison` says.")
    ] = False,
    model: ModelFile = None,
    project: ProjectOption = None,
    workers: WorkersOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    log_level: LogLevelOption = "warning",
) -> None:
    """Run a study here, without a server; the same file again goes on where the study was left."""
    from service.cli.compare import with_comparison
    from service.cli.local_run import run_study
    from studies.study_file import read_document

    settings = load_settings(
        project=project, workers=workers, database_url=database_url, artifacts_url=artifacts_url, log_level=log_level
    )
    study = read_document(file, model)
    sys.exit(run_study(with_comparison(study, {}) if compare else study, settings, file, model))


def submit(
    file: StudyFile,
    model: ModelFile = None,
    project: ProjectOption = None,
    server: ServerOption = None,
    key: KeyOption = None,
) -> None:
    """Submit a study to a server."""
    from service.cli.compare import describe
    from service.cli.local_files import submit_study
    from service.errors import NameInUseError
    from studies.study_file import read_document

    study = read_document(file, model)
    project = load_settings(project=project, log_level="warning").project
    with open_client(server, key) as client:
        try:
            submitted = submit_study(client, study, file.parent, project)
        except NameInUseError as error:
            if not error.fields and find_spec("pyarrow") is not None:  # which reads the file that is compared
                describe(study, client.study(study["name"]), file.parent)
            raise
    warn_of(submitted)
    say(submitted.name)
