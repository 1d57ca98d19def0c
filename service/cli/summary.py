"""Prints all of a study: its summary, its comparison's answer, where everything is, and the next step."""

from __future__ import annotations

from rich.console import Console

from service.cli import terminal
from service.cli.next_step import next_step, next_step_here, whereabouts
from service.cli.source import Source
from service.cli.terminal_comparison import show_comparison
from service.schemas.studies import StudyView


def show_all(
    console: Console, source: Source, study: StudyView, run: str | None = None, *, with_changes: bool = False
) -> None:
    """Print all of a study, and who did what with it if asked.

    `run` is the command that ran it here and told its warnings, if one did.
    """
    studies = source.studies
    front = list(studies.best(study.name))
    terminal.show_study(console, study, studies.trials(study.name), front, warned=run is not None)
    if study.comparison is not None:
        show_comparison(console, studies.comparison(study.name))
    if with_changes:
        terminal.show_changes(console, studies.changes(study.name))
    here = source.server is None
    step = next_step_here(study, source.flags, run) if here else next_step(study, source.flags)
    for line in (*whereabouts(study, source), step):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
