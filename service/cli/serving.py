"""`regsweep serve | worker | demo`: processes that run until they are told to end."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import structlog
import typer

from service.cli.options import (
    ArtifactsUrlOption,
    DatabaseUrlOption,
    LogLevelOption,
    WorkersOption,
    load_settings,
    refuse,
)
from service.cli.source import say_if_new
from service.settings import variables
from service.storage.states import FleetKind
from studies.spec.resources import read_size

_OF_TESTS = "REGSWEEP_FAULT"
_log = structlog.get_logger(__name__)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [REGSWEEP_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one [REGSWEEP_PORT].")] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path under which a proxy shows the server, as /regsweep [REGSWEEP_ROOT_PATH].")
    ] = None,
    workers: WorkersOption = None,
    fleet: Annotated[
        str | None, typer.Option(help="local: workers beside the server; ray: on a Ray cluster [REGSWEEP_FLEET].")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="The Ray cluster: auto, host:6379 or ray://host:10001 [REGSWEEP_RAY_ADDRESS].")
    ] = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Run the server with its workers."""
    from service.api.server import run

    settings = load_settings(
        is_service=True,
        host=host,
        port=port,
        root_path=root_path,
        workers=workers,
        fleet=fleet,
        ray_address=ray_address,
        database_url=database_url,
        artifacts_url=artifacts_url,
        log_level=log_level,
    )
    _warn_of_strange_variables()
    run(settings)


def worker(
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
    study: Annotated[str | None, typer.Option(help="Serve this study only.")] = None,
    attached: Annotated[
        bool, typer.Option("--attached", help="Leave when standard input closes; log to standard output once ready.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="The worker's name; generated when left out.")] = None,
    cpus: Annotated[
        float | None, typer.Option(min=0.01, max=4096, help="CPUs that it offers; those it may use when left out.")
    ] = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, max=1024, help="GPUs that it offers; those that TensorFlow sees when left out.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help='Memory that it offers, as "16 GiB"; the machine\'s when left out.')
    ] = None,
    fleet: Annotated[FleetKind, typer.Option(hidden=True, help="Who started it.")] = FleetKind.OWN,
    check: Annotated[
        bool,
        typer.Option("--check", help="Check by REGSWEEP_HEARTBEAT_PATH that a worker lives: exit 0, or 1 and why not."),
    ] = False,
    log_level: LogLevelOption = None,
) -> None:
    """Run one worker alone."""
    memory_bytes = _read_memory(memory)
    settings = load_settings(
        is_service=True, database_url=database_url, artifacts_url=artifacts_url, log_level=log_level
    )
    if check:
        from service.worker.liveness import missing_sign_of_life

        sys.exit(missing_sign_of_life(settings.heartbeat_path, settings.lease_seconds))
    from service.worker.main import main
    from service.worker.offering import offer_of

    if not attached:  # to a process that has said so
        say_if_new(settings)
        _warn_of_strange_variables()
    main(settings, study, attached, offer_of(cpus, gpus, memory_bytes, fleet, study), name)


def _read_memory(text: str | None) -> int | None:
    """Read a size; exit with 2 when it is none."""
    try:
        return None if text is None else read_size(text)
    except ValueError as error:
        refuse(f"--memory {error}")


def _warn_of_strange_variables() -> None:
    """Warn of what looks like a setting in the environment and is none, such as a misspelled one."""
    for name in sorted(os.environ):
        if name.startswith("REGSWEEP_") and name.removesuffix("_FILE") not in variables() and name != _OF_TESTS:
            near = get_close_matches(name, variables(), n=1, cutoff=0.8)
            instead = {"did_you_mean": near[0]} if near else {}
            _log.warning("a variable is no setting and does nothing", variable=name, **instead)


def demo(
    file: Annotated[
        Path | None, typer.Argument(metavar="[STUDY.yaml]", help="A study file; an example when left out.")
    ] = None,
    workers: WorkersOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Start a server, submit a study over REST, follow it to its end and show the result."""
    from service.cli.demo import EXAMPLE, run

    settings = load_settings(
        workers=workers, database_url=database_url, artifacts_url=artifacts_url, log_level="warning"
    )
    say_if_new(settings)
    sys.exit(run(EXAMPLE if file is None else file, settings))
