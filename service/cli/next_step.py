"""What a user does next with a study, in one line that can be pasted into a shell."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from service.schemas.studies import StudyView
from service.storage.states import ACTIVE_STUDY, ComparisonState, StudyState

if TYPE_CHECKING:
    from service.settings import Settings

_ASKS = "(which technique to use, and how sure)"


def next_step(study: StudyView, server: str | None = None) -> str:
    """The next step with a study on a server; `server` is what the user named it by."""
    return f"Next: {_command(study)}{_on(server)}{_why(study)}"


def next_step_here(study: StudyView, settings: Settings, run: str) -> str:
    """Where the results of a study that ran without a server are, and the next step; `run` is what ran it."""
    from sqlalchemy.engine import make_url

    where = make_url(settings.database_url).render_as_string(hide_password=True)
    flags = _flags(settings, where)
    if active(study):
        command = f"{run}{flags}"
    elif study.comparison is not None:
        command = f"regsweep serve{flags}, then {_command(study)}"
    elif study.progress.complete:
        command = f"{run} --compare{flags}{_why(study)}"
    else:
        command = f"regsweep serve{flags}, then {_command(study)}{_why(study)}"
    return f"Results are in {where}\nNext: {command}"


def active(study: StudyView) -> bool:
    """Whether a study or its comparison has not ended."""
    comparing = study.comparison is not None and study.comparison.active
    return study.state in ACTIVE_STUDY or comparing


def _command(study: StudyView) -> str:
    name = quote(study.name)
    if study.state == StudyState.PAUSED:
        return f"regsweep resume {name}"
    if active(study):
        return f"regsweep watch {name}"
    if study.comparison is None and study.progress.complete:
        return f"regsweep compare {name}"
    if study.comparison is None:
        return f"regsweep delete {name}"
    if study.comparison.state == ComparisonState.COMPLETED and study.spec["dataset"]["kind"] == "uploaded":
        return f"regsweep export {name} --technique recommended -o {quote(f'{study.name}.zip')}"
    return f"regsweep report {name} -o {quote(f'{study.name}.html')}"


def _why(study: StudyView) -> str:
    if active(study) or study.comparison is not None:
        return ""
    return f"   {_ASKS}" if study.progress.complete else "   (then submit it changed, for no trial is complete)"


def _on(server: str | None) -> str:
    return "" if server is None else f" --server {quote(server)}"


def _flags(settings: Settings, where: str) -> str:
    """The flags that lead to these results; what the environment says need not be repeated."""
    usual, flags = type(settings)(), ""
    if settings.database_url != usual.database_url:
        flags += f" --database-url {quote(where)}"
    if settings.artifacts_url != usual.artifacts_url:
        flags += f" --artifacts-url {quote(settings.artifacts_url)}"
    return flags
