"""Shows how far a study is: a bar in a terminal, a line in a notebook, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Protocol

from service.schemas.progress import OverallView
from service.schemas.studies import StudyView
from studies.analysis.labels import duration


class Bar(Protocol):
    """What shows the progress."""

    def show(self, study: StudyView) -> None:
        """Show how far a study is."""

    def say(self, text: str) -> None:
        """Show a sentence that stays."""


@contextmanager
def open_bar(wanted: bool | None = None) -> Iterator[Bar]:
    """Open what fits the place; without a terminal or a notebook only what is `wanted`."""
    notebook = _notebook_display()
    if wanted is False:
        yield _Silent()
    elif notebook is not None:
        yield _NotebookLine(notebook)
    elif wanted or sys.stderr.isatty():
        with _terminal_bar() as bar:
            yield bar
    else:
        yield _Silent()


class _Silent:
    def show(self, study: StudyView) -> None: ...

    def say(self, text: str) -> None:
        print(f"regsweep: {text}", file=sys.stderr)


class _TerminalBar:
    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, note="")

    def show(self, study: StudyView) -> None:
        self._progress.update(
            self._task,
            description=study.name.replace("[", r"\["),
            completed=study.overall.fits_done,
            total=study.overall.fits,
            note=_note(study),
        )

    def say(self, text: str) -> None:
        self._progress.console.print(f"regsweep: {text}", markup=False, highlight=False)


@contextmanager
def _terminal_bar() -> Iterator[_TerminalBar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[note]}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _TerminalBar(progress)


class _NotebookLine:
    """One output of a cell, which is written anew; a bar of widgets would need ipywidgets."""

    def __init__(self, display: Any) -> None:
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def show(self, study: StudyView) -> None:
        overall = study.overall
        bar = f'<progress max="{max(overall.fits, 1)}" value="{overall.fits_done}"></progress>'
        line = f"<div><b>{escape(study.name)}</b> {bar} {escape(_note(study))}</div>"
        self._handle.update({"text/html": line, "text/plain": f"{study.name}: {_note(study)}"}, raw=True)

    def say(self, text: str) -> None:
        print(f"regsweep: {text}", file=sys.stderr)


def _notebook_display() -> Any:
    """IPython's `display` where a notebook shows what it is given, else None."""
    # A notebook has imported it; nobody else need have it.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return display


def _note(study: StudyView) -> str:
    overall, comparison = study.overall, study.comparison
    state = comparison.state if comparison is not None and comparison.active else study.state
    # Until it has ended, what its workers do says more than its state.
    now = study.activity if study.active and study.activity else str(state)
    count = "" if "/" in now else f"{overall.done}/{overall.trials} trials"  # "search 5/15" says it already
    parts = [now, count, _time_left(overall)]
    return ", ".join(part for part in parts if part)


def _time_left(overall: OverallView) -> str:
    return f"{duration(overall.seconds_left)} left" if overall.seconds_left else ""
