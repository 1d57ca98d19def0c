"""Says what to do next with a study, in one line that can be pasted into a shell."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from service.schemas.studies import StudyView
from service.storage.states import ComparisonState, StudyState

if TYPE_CHECKING:
    from service.settings import Settings

_ANSWERS = "(which technique to use, and how sure)"


def next_step(study: StudyView, server: str | None = None) -> str:
    """The next step with a study on a server; `server` is the URL that the user gave."""
    return f"Next: {_command(study)}{_server_flag(server)}{_why(study)}"


def next_step_here(study: StudyView, settings: Settings, run: str) -> str:
    """The place of a local study's results, and the next step; `run` is the command that ran it."""
    from sqlalchemy.engine import make_url

    database = make_url(settings.database_url).render_as_string(hide_password=True)
    flags = _flags(settings, database)
    if study.active:
        command = f"{run}{flags}"
    elif study.comparison is not None:
        command = f"regsweep serve{flags}, then {_command(study)}"
    elif study.progress.complete:
        command = f"{run} --compare{flags}{_why(study)}"
    else:
        command = f"regsweep serve{flags}, then {_command(study)}{_why(study)}"
    return f"Results are in {database}\nNext: {command}"


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


def _server_flag(server: str | None) -> str:
    return "" if server is None else f" --server {quote(server)}"


def _flags(settings: Settings, database: str) -> str:
    """The flags that lead to these results, without those that the environment already sets."""
    defaults, flags = type(settings)(), ""
    if settings.database_url != defaults.database_url:
        flags += f" --database-url {quote(database)}"
    if settings.artifacts_url != defaults.artifacts_url:
        flags += f" --artifacts-url {quote(settings.artifacts_url)}"
    return flags
