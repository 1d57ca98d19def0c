"""Prints listings: studies, a study's trials, workers. In a terminal as tables, which name no name short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table

from service.cli.terminal import duration, planned_trials
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView
from service.schemas.workers import WorkersView
from service.storage.states import ACTIVE_STUDY
from studies.analysis.labels import number, param_label


def show_studies(console: Console, studies: Iterable[StudyView]) -> None:
    """Print one line per study; trials and fits include those of its comparison."""
    table = Table(title="Studies", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("name", overflow="fold")
    for column in ("state", "trials", "fits", "left", "best", "created"):
        table.add_column(column, no_wrap=True, justify="right" if column in ("trials", "fits", "left") else "left")
    for study in studies:
        overall = study.overall
        table.add_row(
            study.name,
            _state(study),
            f"{overall.done}/{planned_trials(study)}",
            f"{overall.fits_done}/{overall.fits}",
            duration(overall.seconds_left) if overall.seconds_left else "",
            "" if study.best is None else number(study.best.value),
            f"{study.created_at:%Y-%m-%d}",
        )
    console.print(table)


def _state(study: StudyView) -> str:
    """The study's state or, when only its comparison goes on, the comparison's."""
    comparison, ended = study.comparison, study.state not in ACTIVE_STUDY
    return comparison.state if ended and comparison is not None and comparison.active else study.state


def show_trials(console: Console, trials: Sequence[TrialView], objectives: Sequence[str]) -> None:
    """Print one line per trial: its values and its params, each in a column, and why it gave none."""
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("trial", "state", *objectives, "epochs", "seconds", *map(param_label, params), "reason"):
        aside = column in ("state", "reason", "regularizer")
        table.add_column(column, justify="left" if aside else "right", overflow="fold", no_wrap=column != "reason")
    for trial in trials:
        values = trial.values or ([] if trial.value is None else [trial.value])
        table.add_row(
            str(trial.number),
            trial.state,
            *(number(values[index]) if index < len(values) else "" for index in range(len(objectives))),
            "" if trial.epochs is None else str(trial.epochs),
            _seconds(trial.started_at, trial.ended_at),
            *("" if trial.params.get(name) is None else number(trial.params[name], 3) for name in params),
            trial.reason or "",
        )
    console.print(table)


def show_workers(console: Console, workers: WorkersView) -> None:
    """Print one line per worker, and how many trials end in a minute."""
    if not workers.workers:
        console.print("No worker is running; start one with `regsweep worker`, or `regsweep serve`.", highlight=False)
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in ("worker", "does", "study", "trials", "since"):
        wide = column in ("worker", "study")
        table.add_column(column, overflow="fold", no_wrap=not wide, justify="right" if column == "trials" else "left")
    for worker in workers.workers:
        since = f"{worker.started_at:%Y-%m-%d %H:%M}"
        table.add_row(worker.name, worker.activity, worker.study or "", str(worker.lanes), since)
    console.print(table)
    console.print(f"{workers.trials_a_minute:.0f} trials ended in the last minute", highlight=False)


def _seconds(started_at: datetime | None, ended_at: datetime | None) -> str:
    return "" if started_at is None or ended_at is None else f"{(ended_at - started_at).total_seconds():.1f}"
