"""Prints a study: a summary, its best trials. In a pipe nothing is cut."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import islice

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.cli.output import PlainConsole
from service.schemas.changes import ChangeView
from service.schemas.progress import OverallView
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView
from service.storage.states import ComparisonState, StudyState, TrialState
from studies.analysis.labels import duration, number, param_label, repeats_text
from studies.analysis.params import kernel_values
from studies.datasets import summary
from studies.objectives import Task, cost_sign
from studies.regularization import REGULARIZERS
from studies.spec.study import StudySpec

_MAX_CHANGES = 10  # that are shown of a study
_TASK_COLUMNS: dict[Task, dict[str, str]] = {
    "binary": {"val_auc": "AUC"},
    "multiclass": {"val_accuracy": "accuracy"},
    "regression": {"val_r2": "R²"},
}
#: Of the first layer where the layers differ.
_KERNEL_COLUMNS = ("regularizer", "lambda", "l1_ratio", "dropout")
UNCUT_COLUMNS = 10_000  # more than any line has


def open_console() -> Console:
    """Make a console of the standard output; in a pipe, where nothing says how wide it is, no line is cut or broken."""
    console = PlainConsole()
    piped = not console.is_terminal and "COLUMNS" not in os.environ
    return PlainConsole(width=UNCUT_COLUMNS) if piped else console


def _time_left(overall: OverallView) -> str:
    """The time left in words; empty when it is not known or all is done."""
    return "" if not overall.seconds_left else f"{duration(overall.seconds_left)} left"


def progress_line(study: StudyView) -> str:
    """Progress in one line: trials, fits and the time left."""
    overall = study.overall
    left = _time_left(overall)
    line = f"{study.trials_text}, {overall.fits_done} of {overall.fits} fits"
    return f"{line}, {left}" if left else line


def show_study(
    console: Console, study: StudyView, trials: Iterable[TrialView], front: Sequence[TrialView], *, warned: bool = False
) -> None:
    """Print a study: its state, its best trial, and the best of each regularizer kind.

    `warned` says that its warnings were told before, by `options.warn_of`.
    """
    progress = study.progress
    reason = escape(f" ({study.reason})") if study.reason else ""
    states = progress.model_dump(exclude={"trials"}).items()
    counted = ", ".join(f"{count} {state}" for state, count in states if count) or "none"
    console.print(
        f"[bold]{escape(study.name)}[/bold] is {study.state}{reason}: {counted} of {progress.trials} trials",
        highlight=False,
    )
    if study.problem:
        console.print(f"Problem: {study.problem}", highlight=False, markup=False)
    if study.waits_for:
        console.print(study.waits_for, highlight=False, markup=False)
    for logger in study.loggers:
        console.print(f"Logged to {logger.text}", highlight=False, markup=False)
    if study.earlier:
        console.print(_known_trials(study), highlight=False, markup=False)
    for warning in () if warned else study.warnings:
        console.print(f"Warning: {warning}", highlight=False, markup=False)
    if study.comparison is not None:
        console.print(f"Its comparison is {study.comparison.state}; in all {progress_line(study)}", highlight=False)
    elif study.active:
        console.print(f"In all {progress_line(study)}", highlight=False)
    _show_data(console, study, warned=warned)
    spec = StudySpec.read(study.spec)
    trials = list(trials)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        console.print("No trial is complete.")
        for trial in [trial for trial in trials if trial.reason][:3]:
            console.print(f"Trial {trial.number} is {trial.state}: {trial.reason}", highlight=False, markup=False)
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
        console.print(f"It was {front[0].reason}", highlight=False, markup=False)
    console.print(_table("Best of each regularizer kind", _best_of_each(complete, spec), spec))


def _show_data(console: Console, study: StudyView, *, warned: bool) -> None:
    """Print how the user's own data was read, and what to look at."""
    if study.data is None:
        return
    for line in summary.lines(study.data):
        console.print(line, style="dim", highlight=False, markup=False)
    for warning in () if warned else summary.other_warnings(study.data):
        console.print(f"Warning: {warning}", style="yellow", highlight=False, markup=False)


def _known_trials(study: StudyView) -> str:
    left_out = "; ".join(f"{reason} ({count})" for reason, count in study.earlier_left_out.items())
    known = f"Its sampler knew {study.earlier} trials of '{study.spec['warm_start']['study']}'"
    return f"{known}; left out: {left_out}" if left_out else known


def exit_status(study: StudyView) -> int:
    """The exit status of a command that followed a study to its end: 0 when it and its comparison gave a result."""
    compared = study.comparison is None or study.comparison.state == ComparisonState.COMPLETED
    return 0 if study.state == StudyState.COMPLETED and study.progress.complete and compared else 1


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


def show_changes(console: Console, changes: Iterable[ChangeView]) -> None:
    """Print who did what with a study, one line each, the latest first."""
    for change in islice(changes, _MAX_CHANGES):
        what = f"{change.what} {change.details}".rstrip()
        console.print(
            f"{change.at:%Y-%m-%d %H:%M}  {change.by or 'no key'}: {what}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
