"""What the command line shows: a progress bar, a study, tables of trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from service.cli.next_step import active
from service.schemas.progress import OverallView
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView
from service.storage.states import ACTIVE_STUDY, StudyState, TrialState
from studies.analysis.labels import number, param_label
from studies.analysis.params import kernel_values
from studies.objectives import Task
from studies.regularization import REGULARIZERS
from studies.spec.study import StudySpec

_TASK_COLUMN: dict[Task, dict[str, str]] = {
    "binary": {"val_auc": "AUC"},
    "multiclass": {"val_accuracy": "accuracy"},
    "regression": {"val_r2": "R²"},
}
#: The first layer's where they differ by layer.
_KERNEL_COLUMNS = ("regularizer", "lambda", "l1_ratio", "dropout")
_LOOK_SECONDS = 0.3
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def follow(console: Console, look: Callable[[], StudyView]) -> StudyView:
    """Show a study's progress with its comparison until both have ended and no trial of it runs; the study then."""
    trials = TextColumn("{task.fields[done]}/{task.fields[trials]} trials")
    fits = TextColumn("{task.completed:.0f}/{task.total:.0f} fits")
    bar = Progress(BarColumn(20), trials, fits, TextColumn("{task.fields[left]}"), TimeElapsedColumn(), console=console)
    study = look()
    line = bar.add_task(study.name, total=None, done=0, trials=0, left="")
    with Live(console=console) as live:
        while True:
            whole = study.overall
            bar.update(line, completed=whole.fits_done, total=whole.fits, done=whole.done, trials=whole.trials)
            bar.update(line, left=_left(whole))
            live.update(Group(Text(f"{study.name}: {_note(study)}", overflow="ellipsis", no_wrap=True), bar))
            if not active(study) and study.progress.running == 0:
                break
            time.sleep(_LOOK_SECONDS)
            study = look()
    if not console.is_terminal:
        console.print()  # a live display ends no line there
    return study


def _left(whole: OverallView) -> str:
    """The time left in words, nothing where it is not known or all is done."""
    return "" if not whole.seconds_left else f"{duration(whole.seconds_left)} left"


def duration(seconds: float) -> str:
    """A time as people say it, to a unit or two."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} days"


def progress_line(whole: OverallView) -> str:
    """How far something is, in one line."""
    left = _left(whole)
    return f"{whole.done} of {whole.trials} trials, {whole.fits_done} of {whole.fits} fits" + (left and f", {left}")


def _note(study: StudyView) -> str:
    note = study.state if study.state != StudyState.RUNNING else f"{study.progress.running} running"
    if study.comparison is not None:
        note += f", techniques: {study.comparison.state}"
    if study.best is not None:
        note += f", best {study.spec['objectives'][0]} {study.best.value:.4f} (trial {study.best.number})"
    return note


def show_study(console: Console, study: StudyView, trials: Iterable[TrialView], front: Sequence[TrialView]) -> None:
    """Print a study: its state, its best trial, and the best of each regularizer kind."""
    progress = study.progress
    ended = f" ({study.reason})" if study.reason else ""
    counts = [f"{count} {state}" for state, count in progress.model_dump(exclude={"trials"}).items() if count]
    console.print(
        f"[bold]{study.name}[/bold] is {study.state}{ended}: {', '.join(counts)} of {progress.trials} trials",
        highlight=False,
    )
    if study.comparison is not None:
        console.print(
            f"Its comparison is {study.comparison.state}; in all {progress_line(study.overall)}", highlight=False
        )
    elif active(study):
        console.print(f"In all {progress_line(study.overall)}", highlight=False)
    spec = StudySpec.model_validate(study.spec)
    trials = list(trials)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        console.print("No trial is complete.")
        for trial in [trial for trial in trials if trial.reason][:3]:
            console.print(f"Trial {trial.number} is {trial.state}: {trial.reason}", highlight=False)
        return
    if len(spec.objectives) > 1:
        console.print(_table(f"Pareto front of {', '.join(spec.objectives)}", front, spec))
        return
    console.print(f"Best trial: [bold]{front[0].number}[/bold], {spec.objectives[0]} {number(front[0].value)}")
    console.print(_table("Best of each regularizer kind", _best_of_each(complete, spec), spec))


def show_studies(console: Console, studies: Iterable[StudyView]) -> None:
    """Print a line a study, its comparison's trials and fits included."""
    table = Table(title="Studies", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("name", overflow="fold")
    for column in ("state", "trials", "fits", "left", "best", "created"):
        table.add_column(column, no_wrap=True, justify="right" if column in ("trials", "fits", "left") else "left")
    for study in studies:
        whole = study.overall
        table.add_row(
            study.name,
            _state(study),
            f"{whole.done}/{whole.trials}",
            f"{whole.fits_done}/{whole.fits}",
            duration(whole.seconds_left) if whole.seconds_left else "",
            "" if study.best is None else number(study.best.value),
            f"{study.created_at:%Y-%m-%d}",
        )
    console.print(table)


def _state(study: StudyView) -> str:
    """The study's, or that of its comparison, which goes on when the study has ended."""
    comparison, ended = study.comparison, study.state not in ACTIVE_STUDY
    return comparison.state if ended and comparison is not None and comparison.active else study.state


def _best_of_each(complete: Sequence[TrialView], spec: StudySpec) -> list[TrialView]:
    sign = 1 if spec.directions[0] == "minimize" else -1
    best = []
    for kind in REGULARIZERS:
        tried = [t for t in complete if kernel_values(t.params, "regularizer")[0] == kind and t.value is not None]
        if tried:
            best.append(min(tried, key=lambda t: sign * (t.value or 0.0)))
    return sorted(best, key=lambda t: sign * (t.value or 0.0))


def _table(title: str, trials: Sequence[TrialView], spec: StudySpec) -> Table:
    # Narrow enough for a terminal of 80 columns.
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    metrics = {"val_loss": "val_loss"} | _TASK_COLUMN[spec.task]
    for column in (*map(param_label, _KERNEL_COLUMNS), "patience", *metrics.values(), "epochs", "trial"):
        table.add_column(column, justify="left" if column == "regularizer" else "right", no_wrap=True)
    for trial in trials:
        params = trial.params
        table.add_row(
            *(number(kernel_values(params, name)[0], 2) for name in _KERNEL_COLUMNS),
            number(params["patience"]),
            *(number(trial.metrics.get(name)) for name in metrics),
            str(trial.epochs),
            str(trial.number),
        )
    return table
