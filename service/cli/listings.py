"""Prints listings: studies, a study's trials, workers. In a terminal as tables, which name no name short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from service.cli.output import PlainConsole
from service.cli.terminal import UNCUT_COLUMNS
from service.schemas.projects import ProjectView
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView
from service.schemas.workers import WorkersView
from service.storage.states import ACTIVE_STUDY
from studies.analysis.labels import duration, number, param_label
from studies.spec.resources import size_text


def show_studies(console: Console, studies: Iterable[StudyView]) -> None:
    """Print one line per study; trials and fits include those of its comparison."""
    table = Table(title="Studies", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("name", overflow="fold")
    for column in ("state", "trials", "fits", "left", "best", "created"):
        table.add_column(column, no_wrap=True, justify="right" if column in ("trials", "fits", "left") else "left")
    for study in studies:
        overall = study.overall
        table.add_row(
            escape(study.name),
            _state(study),
            f"{overall.done}/{study.planned_trials}",
            f"{overall.fits_done}/{overall.fits}",
            duration(overall.seconds_left) if overall.seconds_left else "",
            "" if study.best is None else number(study.best.value),
            f"{study.created_at:%Y-%m-%d}",
        )
    console.print(table)


def _state(study: StudyView) -> str:
    """The study's state or, when only its comparison goes on, the comparison's."""
    comparison, ended = study.comparison, study.state not in ACTIVE_STUDY
    state = comparison.state if ended and comparison is not None and comparison.active else study.state
    return f"{state}, problem" if study.problem else f"{state}, no worker for it" if study.waits_for else state


def show_trials(console: Console, trials: Sequence[TrialView], objectives: Sequence[str]) -> None:
    """Print one line per trial: its values, the params in which trials differ, and why it gave no value."""
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    params = [name for name in names if len({str(trial.params.get(name)) for trial in trials}) > 1]
    reasons = any(trial.reason for trial in trials)
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in ("trial", "state", *objectives, "epochs", *map(param_label, params), *(["reason"] * reasons)):
        is_text = column in ("state", "reason") or column.endswith("regularizer")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    for trial in trials:
        values = trial.values or ([] if trial.value is None else [trial.value])
        table.add_row(
            str(trial.number),
            trial.state,
            *(number(values[index]) if index < len(values) else "" for index in range(len(objectives))),
            "" if trial.epochs is None else str(trial.epochs),
            *("" if trial.params.get(name) is None else number(trial.params[name], 3) for name in params),
            *([escape(trial.reason or "")] * reasons),
        )
    _print_whole(console, table)


def show_projects(console: Console, projects: Sequence[ProjectView]) -> None:
    """Print one line per project: what it has, and how much of each quota is used."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("project", "studies", "datasets", "active studies", "waiting trials", "stored bytes"):
        table.add_column(column, no_wrap=True, justify="left" if column == "project" else "right")
    for project in projects:
        quotas = project.active_studies, project.waiting_trials, project.stored_bytes
        table.add_row(
            escape(project.name),
            str(project.studies),
            str(project.datasets),
            *(f"{quota.used:,}" + ("" if quota.limit is None else f" of {quota.limit:,}") for quota in quotas),
        )
    _print_whole(console, table)


def _print_whole(console: Console, table: Table) -> None:
    """Print a table with no column narrower than what stands in it; a terminal breaks lines that are too long."""
    width = Measurement.get(console, console.options.update(width=UNCUT_COLUMNS), table).maximum
    whole = PlainConsole(file=console.file, width=width, force_terminal=console.is_terminal)
    (whole if width > console.width else console).print(table)


def show_workers(console: Console, workers: WorkersView) -> None:
    """Print one line per worker, and how many trials end in a minute."""
    if not workers.workers:
        said = (
            "No worker is running. Ray and Kubernetes start one when a study waits; elsewhere start it: regsweep worker"
        )
        console.print(said, highlight=False, soft_wrap=True)
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("worker", "does", "study", "trials", "CPUs", "GPUs", "memory", "node", "fleet", "since"):
        is_number = column in ("trials", "CPUs", "GPUs", "memory")
        table.add_column(column, no_wrap=True, justify="right" if is_number else "left")
    for worker in workers.workers:
        table.add_row(
            escape(worker.name),
            worker.activity,
            escape(worker.study or ""),
            str(worker.lanes),
            "" if worker.cpus is None else f"{worker.cpus:g}",
            "" if worker.gpus is None else str(worker.gpus),
            "" if worker.memory is None else size_text(worker.memory),
            escape(worker.node or ""),
            worker.fleet or "",
            f"{worker.started_at:%Y-%m-%d %H:%M}",
        )
    _print_whole(console, table)
    console.print(f"{workers.trials_a_minute:.0f} trials ended in the last minute", highlight=False)
