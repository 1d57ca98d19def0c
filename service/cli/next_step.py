"""Says where everything of a study is and what to do next with it, in lines that can be pasted into a shell."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import quote as quote_path

from service.schemas.studies import StudyView
from service.storage.states import ComparisonState, StudyState

if TYPE_CHECKING:
    from service.cli.source import Source

_ANSWERS = "(which technique to use, and how sure)"


def next_step(study: StudyView, flags: str = "") -> str:
    """The next step with a study on a server; `flags` lead there."""
    return f"Next: {_command(study)}{flags}{_why(study)}"


def next_step_here(study: StudyView, flags: str, run: str | None = None) -> str:
    """The next step with a study of a database; `run` is the command that ran it, None where not known."""
    if study.state == StudyState.PAUSED and run is None:
        command = f"regsweep resume {quote(study.name)}{flags}"
    elif study.active:
        command = _goes_on(flags) if run is None else f"{run}{flags}"
    elif study.comparison is None and study.progress.complete:
        alone = f"regsweep serve{flags}, then {_command(study)}"
        command = (alone if run is None else f"{run} --compare{flags}") + _why(study)
    else:
        command = f"{_command(study)}{flags}{_why(study)}"
    return f"Next: {command}"


def _goes_on(flags: str) -> str:
    return f"regsweep serve{flags}, or regsweep run FILE{flags}   (FILE is the study's own; the workers go on with it)"


def whereabouts(study: StudyView, source: Source) -> list[str]:
    """Where a study's database, report, model and page are: lines of a place or a command each."""
    name, lines = quote(study.name), []
    if source.server is None:
        from service.storage import database

        lines += [f"Database: {database.place(source.settings.database_url)}"]
    if study.progress.complete:
        file = quote(f"{study.name}.html")
        lines += [f"Report:   regsweep report {name} -o {file}{source.flags}"]
        lines += [
            f"Model:    regsweep model {name}{_recommended(study)} -o {quote(f'{study.name}.keras')}{source.flags}"
        ]
    page = f"/studies/{quote_path(study.name)}"
    if source.server is not None:
        return [*lines, f"Page:     {source.server.rstrip('/')}{page}"]
    settings = source.settings
    serving = f"   (while `regsweep serve{source.flags}` runs)"
    return [*lines, f"Page:     http://{settings.host}:{settings.port}{page}{serving}"]


def _recommended(study: StudyView) -> str:
    compared = study.comparison is not None and study.comparison.state == ComparisonState.COMPLETED
    return " --technique recommended" if compared else ""


def _command(study: StudyView) -> str:
    name = quote(study.name)
    if study.state == StudyState.PAUSED:
        return f"regsweep resume {name}"
    if study.active:
        return f"regsweep watch {name}"
    if study.comparison is None and study.progress.complete:
        return f"regsweep compare {name}"
    if study.comparison is None:
        return f"regsweep delete {name}"
    if study.comparison.state == ComparisonState.COMPLETED and study.spec["dataset"]["kind"] == "uploaded":
        return f"regsweep export {name} --technique recommended -o {quote(f'{study.name}.zip')}"
    return f"regsweep report {name} -o {quote(f'{study.name}.html')}"


def _why(study: StudyView) -> str:
    if study.active or study.comparison is not None:
        return ""
    return f"   {_ANSWERS}" if study.progress.complete else "   (then submit it changed, for no trial is complete)"
