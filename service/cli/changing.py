"""The commands `extend` and `change`: what a study may cost, how urgent it is, how many workers it may have."""

from __future__ import annotations

import sys
from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import ArtifactsUrlOption, DatabaseUrlOption, KeyOption, ServerOption, StudyName, refuse
from service.cli.output import say
from service.cli.source import open_source

if TYPE_CHECKING:
    from service.schemas.studies import StudyView


def extend(
    name: StudyName,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all, those that have ended included; not fewer than now.")
    ] = None,
    timeout_seconds: Annotated[
        float | None,
        typer.Option(help="Seconds in all, those that have passed included; not fewer than now; inf for no limit."),
    ] = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
    artifacts_url: ArtifactsUrlOption = None,
) -> None:
    """Give a study more trials or more time; one that has ended runs again, with all that it knows."""
    from service.cli.next_step import next_step, next_step_here

    if trials is None and timeout_seconds is None:
        refuse("say what the study is to have in all: --trials, --timeout-seconds, or both")
    if timeout_seconds is not None and not timeout_seconds > 0:  # nor NaN
        refuse("--timeout-seconds: must be above 0; inf for no limit")
    with open_source(server, key, database_url, artifacts_url) as source:
        study = source.studies.change(name, trials=trials, timeout_seconds=timeout_seconds)
        say(study.state)
        idle = study.active and not source.studies.workers().workers
        if idle:
            say("regsweep: no worker is running; the study waits for one", file=sys.stderr)
        step = next_step_here if source.server is None and (idle or not study.active) else next_step
        say(step(study, source.flags), file=sys.stderr)


def change(
    name: StudyName,
    priority: Annotated[
        int | None, typer.Option(min=-1000, max=1000, help="Workers serve the studies of the highest priority first.")
    ] = None,
    max_workers: Annotated[
        float | None,
        typer.Option(help="Most workers that serve the study and its comparison at once; inf for no limit."),
    ] = None,
    server: ServerOption = None,
    key: KeyOption = None,
    database_url: DatabaseUrlOption = None,
) -> None:
    """Change how urgent a study is, or how many workers may serve it at once; print both as they are now."""
    from studies.spec.study import MAX_WORKERS

    if priority is None and max_workers is None:
        refuse("say what to change: --priority, --max-workers, or both")
    if max_workers is not None and max_workers != inf:
        if not (max_workers.is_integer() and 1 <= max_workers <= MAX_WORKERS):
            refuse(f"--max-workers: must be a whole number from 1 to {MAX_WORKERS:,}; inf for no limit")
        max_workers = int(max_workers)
    with open_source(server, key, database_url, None) as source:
        say(_standing(source.studies.change(name, priority=priority, max_workers=max_workers)))


def _standing(study: StudyView) -> str:
    most = study.spec.get("max_workers")
    workers = "any number of workers" if most is None else f"at most {most:,} worker{'' if most == 1 else 's'}"
    return f"priority {study.priority}, {workers}"
