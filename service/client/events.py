"""The events of a study, as GET /v1/studies/{name}/events sends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from httpx_sse import ServerSentEvent

from service.schemas.comparisons import ComparisonView
from service.schemas.studies import StudyView
from service.schemas.trials import TrialView


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """The study as it is now."""

    study: StudyView


@dataclass(frozen=True, slots=True)
class TrialEvent:
    """A trial that was opened, ended, became invalid or went back to waiting; `id` continues a broken connection."""

    id: str
    trial: TrialView


@dataclass(frozen=True, slots=True)
class CurveEvent:
    """What a running trial has reported so far of the first objective."""

    number: int
    steps: tuple[float, ...]  # epochs, counted from 1
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ComparisonEvent:
    """The study's comparison as it is now."""

    comparison: ComparisonView


@dataclass(frozen=True, slots=True)
class DeletedEvent:
    """The study was deleted; no event follows."""


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The study and its comparison have ended; no event follows."""


Event = StudyEvent | TrialEvent | CurveEvent | ComparisonEvent | DeletedEvent | EndEvent
LAST_EVENTS = (DeletedEvent, EndEvent)


def read_event(message: ServerSentEvent) -> Event | None:
    """Read an event; None for one of a kind that a later version sends."""
    read = _READERS.get(message.event)
    return None if read is None else read(message)


def _read_curve(message: ServerSentEvent) -> CurveEvent:
    curve = message.json()
    return CurveEvent(curve["number"], tuple(curve["steps"]), tuple(curve["values"]))


def _read_comparison(message: ServerSentEvent) -> ComparisonEvent:
    # While it runs, it comes without what does not change.
    return ComparisonEvent(ComparisonView.model_validate({"spec": {}, "result": None} | message.json()))


_READERS: dict[str, Callable[[ServerSentEvent], Event]] = {
    "study": lambda message: StudyEvent(StudyView.model_validate_json(message.data)),
    "trial": lambda message: TrialEvent(message.id, TrialView.model_validate_json(message.data)),
    "curve": _read_curve,
    "comparison": _read_comparison,
    "deleted": lambda _: DeletedEvent(),
    "end": lambda _: EndEvent(),
}
