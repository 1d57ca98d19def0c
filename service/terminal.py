"""What the command line shows: a progress bar, a study, tables of trials."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.schemas import ComparisonView, StudyView, TrialView
from studies.objectives import Task
from studies.regularization import REGULARIZERS
from studies.spec import StudySpec

_ENDED = frozenset({"completed", "stopped", "failed"})
_TASK_COLUMN: dict[Task, dict[str, str]] = {
    "binary": {"val_auc": "AUC"},
    "multiclass": {"val_accuracy": "accuracy"},
    "regression": {"val_r2": "R²"},
}
_LOOK_SECONDS = 0.3


def follow(console: Console, look: Callable[[], StudyView]) -> StudyView:
    """Show a study's progress until it has ended and no trial of it runs; the study then."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=console) as bar:
        study = look()
        line = bar.add_task(study.name, total=study.progress.trials, note="")
        while True:
            done = study.progress.complete + study.progress.pruned + study.progress.failed
            bar.update(line, completed=done, note=_note(study))
            if study.state in _ENDED and study.progress.running == 0 and not _comparing(study):
                return study
            time.sleep(_LOOK_SECONDS)
            study = look()


def _comparing(study: StudyView) -> bool:
    return study.comparison is not None and study.comparison.state in ("searching", "confirming")


def _note(study: StudyView) -> str:
    note = study.state if study.state != "running" else f"{study.progress.running} running"
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
    spec = StudySpec.model_validate(study.spec)
    trials = list(trials)
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    if not complete:
        console.print("No trial is complete.")
        for trial in [trial for trial in trials if trial.reason][:3]:
            console.print(f"Trial {trial.number} is {trial.state}: {trial.reason}", highlight=False)
        return
    if len(spec.objectives) > 1:
        console.print(_table(f"Pareto front of {', '.join(spec.objectives)}", front, spec))
        return
    console.print(f"Best trial: [bold]{front[0].number}[/bold], {spec.objectives[0]} {_number(front[0].value)}")
    console.print(_table("Best of each regularizer kind", _best_of_each(complete, spec), spec))


def show_comparison(console: Console, comparison: ComparisonView) -> None:
    """Print the answer of a comparison: the table of techniques and the recommendation."""
    result = comparison.result
    if result is None:
        console.print(f"The comparison of techniques is {comparison.state} and has no result.")
        return
    table = Table(title="Techniques", title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in (
        "technique",
        result.objective,
        "95 % interval",
        result.task_metric,
        "test",
        "gap",
        "zeros",
        "epochs",
    ):
        table.add_column(column, justify="left" if column == "technique" else "right", no_wrap=True)
    for row in result.techniques:
        style = "bold" if row.technique == result.recommendation.technique else None
        table.add_row(
            row.technique,
            _number(row.objective.mean),
            f"{_number(row.objective.low, 3)}–{_number(row.objective.high, 3)}",
            _number(None if row.task_metric is None else row.task_metric.mean, 3),
            _number(row.test_objective, 3),
            _number(row.gap, 2),
            f"{row.zero_share:.0%}",
            f"{row.epochs:.0f}",
            style=style,
        )
    console.print(table)
    console.print(f"[bold]{result.recommendation.text}[/bold]", highlight=False)
    for warning in result.recommendation.warnings:
        console.print(warning, highlight=False)


def show_studies(console: Console, studies: Iterable[StudyView]) -> None:
    """Print a line a study."""
    table = Table(title="Studies")
    for column in ("name", "state", "trials", "best", "created"):
        table.add_column(column)
    for study in studies:
        done = study.progress.trials - study.progress.waiting - study.progress.running
        best = "" if study.best is None else _number(study.best.value)
        created = f"{study.created_at:%Y-%m-%d %H:%M}"
        table.add_row(study.name, study.state, f"{done}/{study.progress.trials}", best, created)
    console.print(table)


def _best_of_each(complete: Sequence[TrialView], spec: StudySpec) -> list[TrialView]:
    sign = 1 if spec.directions[0] == "minimize" else -1
    best = []
    for kind in REGULARIZERS:
        tried = [t for t in complete if _of_layers(t.params, "regularizer") == kind and t.value is not None]
        if tried:
            best.append(min(tried, key=lambda t: sign * (t.value or 0.0)))
    return sorted(best, key=lambda t: sign * (t.value or 0.0))


def _table(title: str, trials: Sequence[TrialView], spec: StudySpec) -> Table:
    # Narrow enough for a terminal of 80 columns.
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    metrics = {"val_loss": "val_loss"} | _TASK_COLUMN[spec.task]
    for column in ("regularizer", "λ", "l1_ratio", "dropout", "patience", *metrics.values(), "epochs", "trial"):
        table.add_column(column, justify="left" if column == "regularizer" else "right", no_wrap=True)
    for trial in trials:
        params = trial.params
        table.add_row(
            str(_of_layers(params, "regularizer")),
            _number(_of_layers(params, "lambda"), 2),
            _number(_of_layers(params, "l1_ratio"), 2),
            _number(_of_layers(params, "dropout"), 2),
            "–" if params["patience"] is None else str(params["patience"]),
            *(_number(trial.metrics.get(name)) for name in metrics),
            str(trial.epochs),
            str(trial.number),
        )
    return table


def _of_layers(params: Mapping[str, Any], name: str) -> Any:
    """A parameter that all layers share, or the first layer's."""
    return params[name] if name in params else params[f"layer1_{name}"]


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}g}"
