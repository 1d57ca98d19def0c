"""Prints studies to a terminal: a progress bar, a summary, tables of trials and of studies."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from service.schemas.progress import OverallView
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView
from service.storage.states import ACTIVE_STUDY, ComparisonState, StudyState, TrialState
from studies.analysis.labels import number, param_label, repeats_text
from studies.analysis.params import kernel_values
from studies.datasets import summary
from studies.objectives import Task, cost_sign
from studies.regularization import REGULARIZERS
from studies.spec.study import StudySpec

_TASK_COLUMNS: dict[Task, dict[str, str]] = {
    "binary": {"val_auc": "AUC"},
    "multiclass": {"val_accuracy": "accuracy"},
    "regression": {"val_r2": "R²"},
}
#: Of the first layer where the layers differ.
_KERNEL_COLUMNS = ("regularizer", "lambda", "l1_ratio", "dropout")
_POLL_SECONDS = 0.3
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def follow(console: Console, read: Callable[[], StudyView]) -> StudyView:
    """Show the progress of a study and its comparison until both have ended and no trial runs; return the study.

    Raises KeyboardInterrupt on Ctrl-C.
    """
    trials = TextColumn("{task.fields[done]}/{task.fields[trials]} trials")
    fits = TextColumn("{task.completed:.0f}/{task.total:.0f} fits")
    bar = Progress(BarColumn(20), trials, fits, TextColumn("{task.fields[left]}"), TimeElapsedColumn(), console=console)
    study = read()
    line = bar.add_task(study.name, total=None, done=0, trials=0, left="")
    with Live(console=console) as live, _interrupts() as raise_interrupt:
        while True:
            raise_interrupt()
            overall = study.overall
            bar.update(line, completed=overall.fits_done, total=overall.fits)
            bar.update(line, done=overall.done, trials=overall.trials, left=_time_left(overall))
            live.update(Group(Text(f"{study.name}: {_note(study)}", overflow="ellipsis", no_wrap=True), bar))
            if not study.active and study.progress.running == 0:
                break
            time.sleep(_POLL_SECONDS)
            study = read()
    if not console.is_terminal:
        console.print()  # a live display leaves the last line open there
    return study


@contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """Remember Ctrl-C; the function that is handed out raises KeyboardInterrupt where there was one.

    Python drops a KeyboardInterrupt that it raises in a weak reference's callback or in `__del__`, as SQLAlchemy has.
    """
    if current_thread() is not main_thread():  # only the main thread is interrupted
        yield lambda: None
        return
    interrupted = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    def raise_interrupt() -> None:
        if interrupted:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield raise_interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def _time_left(overall: OverallView) -> str:
    """The time left in words; empty when it is not known or all is done."""
    return "" if not overall.seconds_left else f"{duration(overall.seconds_left)} left"


def duration(seconds: float) -> str:
    """Seconds in words, in the largest unit that fits."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} days"


def progress_line(overall: OverallView) -> str:
    """Progress in one line: trials, fits and the time left."""
    left = _time_left(overall)
    line = f"{overall.done} of {overall.trials} trials, {overall.fits_done} of {overall.fits} fits"
    return f"{line}, {left}" if left else line


def _note(study: StudyView) -> str:
    note = str(study.state)
    if study.state == StudyState.RUNNING:
        progress = study.progress
        searched = progress.complete + progress.pruned + progress.failed == progress.trials
        note = "the best with other seeds" if searched else f"{progress.running} running"
    if study.comparison is not None:
        note += f", techniques: {study.comparison.state}"
    if study.best is not None:
        note += f", best {study.spec['objectives'][0]} {study.best.value:.4f} (trial {study.best.number})"
    return note


def show_study(console: Console, study: StudyView, trials: Iterable[TrialView], front: Sequence[TrialView]) -> None:
    """Print a study: its state, its best trial, and the best of each regularizer kind."""
    progress = study.progress
    reason = f" ({study.reason})" if study.reason else ""
    counts = [f"{count} {state}" for state, count in progress.model_dump(exclude={"trials"}).items() if count]
    console.print(
        f"[bold]{study.name}[/bold] is {study.state}{reason}: {', '.join(counts)} of {progress.trials} trials",
        highlight=False,
    )
    if study.earlier:
        console.print(_known_trials(study), highlight=False)
    for warning in study.warnings:
        console.print(f"Warning: {warning}", highlight=False, markup=False)
    if study.comparison is not None:
        console.print(
            f"Its comparison is {study.comparison.state}; in all {progress_line(study.overall)}", highlight=False
        )
    elif study.active:
        console.print(f"In all {progress_line(study.overall)}", highlight=False)
    _show_data(console, study)
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
    deviation = front[0].metrics.get(f"{spec.objectives[0]}_deviation")
    spread = "" if deviation is None else f" ± {number(deviation, 2)} over {spec.resampling.fits} trainings"
    console.print(f"Best trial: [bold]{front[0].number}[/bold], {spec.objectives[0]} {number(front[0].value)}{spread}")
    seeds = study.best.seeds if study.best is not None else None
    if seeds is not None:
        console.print(repeats_text(spec.objectives[0], seeds.values), highlight=False)
    if front[0].cut:
        console.print(f"It was {front[0].reason}", highlight=False)
    console.print(_table("Best of each regularizer kind", _best_of_each(complete, spec), spec))


def _show_data(console: Console, study: StudyView) -> None:
    """Print how the user's own data was read, and what to look at."""
    if study.data is None:
        return
    for line in summary.lines(study.data):
        console.print(line, style="dim", highlight=False, markup=False)
    for warning in study.data.warnings:
        console.print(f"Warning: {warning}", style="yellow", highlight=False, markup=False)


def _known_trials(study: StudyView) -> str:
    left_out = "; ".join(f"{reason} ({count})" for reason, count in study.earlier_left_out.items())
    known = f"Its sampler knew {study.earlier} trials of '{study.spec['warm_start']['study']}'"
    return f"{known}; left out: {left_out}" if left_out else known


def exit_status(study: StudyView) -> int:
    """The exit status of a command that followed a study to its end: 0 when it and its comparison gave a result."""
    compared = study.comparison is None or study.comparison.state == ComparisonState.COMPLETED
    return 0 if study.state == StudyState.COMPLETED and study.progress.complete and compared else 1


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
            f"{overall.done}/{overall.trials}",
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


def _best_of_each(complete: Sequence[TrialView], spec: StudySpec) -> list[TrialView]:
    sign = cost_sign(spec.directions[0])
    best = []
    for kind in REGULARIZERS:
        trials = [t for t in complete if kernel_values(t.params, "regularizer")[0] == kind and t.value is not None]
        if trials:
            best.append(min(trials, key=lambda t: sign * (t.value or 0.0)))
    return sorted(best, key=lambda t: sign * (t.value or 0.0))


def _table(title: str, trials: Sequence[TrialView], spec: StudySpec) -> Table:
    # Narrow enough for a terminal of 80 columns.
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    metrics = {"val_loss": "val_loss"} | _TASK_COLUMNS[spec.task]
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
