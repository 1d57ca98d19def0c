"""How pages write times, ages and counts."""

from __future__ import annotations

from datetime import UTC, datetime

from service.schemas.studies import StudyView
from service.storage.states import StudyState
from studies.analysis.labels import duration, number

__all__ = ["age", "count", "duration", "number", "sentence", "time_left", "time_tag"]


def age(then: datetime) -> str:
    """How long ago an instant was: "3 min ago"."""
    return f"{duration((datetime.now(UTC) - then).total_seconds())} ago"


def count(number_of: int, noun: str) -> str:
    """A count with its noun: "1 trial", "2,000 trials"."""
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def sentence(text: str) -> str:
    """Write what an error says as a sentence of its own: "There is no study named 'a'."."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def time_tag(then: datetime | None) -> str:
    """A date and time in UTC; a dash for None."""
    return "–" if then is None else f"{then.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def time_left(view: StudyView) -> str:
    """The time left of a study with its comparison; empty where it is not known, or nothing goes on."""
    seconds = view.overall.seconds_left
    if not seconds or not view.active or view.state == StudyState.PAUSED:
        return ""
    return f"{duration(seconds)} left"
