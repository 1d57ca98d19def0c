"""What is new in a study since the last look, as server-sent events; the same bytes for all who listen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.sse import format_sse_event
from pydantic import BaseModel

from service.errors import NotFoundError
from service.storage import following
from service.storage.following import Standing
from service.storage.records import StudyRecord, TrialRecord
from service.storage.store import Store
from service.views.comparisons import comparison_view
from service.views.studies import study_views
from service.views.trials import curve_event, trial_view

_MAX_TRIALS = 500  # of one look, or of one part of a backlog
_REST = 50.0  # times as long as it takes to count a large study, it is not counted again
_MAX_REST_SECONDS = 3.0  # also where a busy machine took long: one page without events would ask as often


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a study found."""

    events: bytes  # empty when nothing is new
    closing: bytes = b""  # the last event, of a study that was deleted or is over
    is_partial: bool = False  # more is new already
    position: int = 0  # the number of the last change of a trial that the events hold


class StudyFeed:
    """Looks at a study from time to time; `opening` is what one who joins between two looks needs to see first."""

    def __init__(self, store: Store, study_id: int) -> None:
        self._store, self.study_id = store, study_id
        self._position: int | None = None  # the number of the last change of a trial that was found
        self.told = 0  # the number of the last that listeners were told of; set in the event loop
        self._seen: Standing | None = None  # at the last look
        self._is_stale = True  # whether it has changed since `_study` and `_comparison` were made
        self._study, self._comparison = "", ""  # JSON
        self._curves: dict[int, bytes] = {}  # of running trials, by number
        self._rests_until = 0.0

    def look(self) -> Look:
        """Find what is new since the last look; what trials did before the first one is not."""
        with self._store.reading() as session:
            standing = following.standing(session, self.study_id)
            if standing is None:
                return Look(b"", _event("deleted", "{}"))
            position = self._position
            if position is None:
                position = following.positions(session, [self.study_id])[self.study_id]
            trials = following.changed_trials(session, self.study_id, position, _MAX_TRIALS)
            curves = following.running_curves(session, self.study_id)
            is_partial = len(trials) == _MAX_TRIALS
            is_over = standing.is_over and not is_partial
            self._is_stale |= standing != self._seen
            self._seen = standing
            is_due = self._is_stale and (is_over or time.monotonic() >= self._rests_until)
            study = session.get_one(StudyRecord, self.study_id) if is_due else None
        last = max([position, *(trial.changed or 0 for trial in trials)])
        changed = [] if study is None else [*self._changed(study, last)]
        if not self._study:
            return Look(b"")
        self._position = last
        events = [*trial_events(self.study_id, trials), *self._grown(curves), *changed]
        return Look(b"".join(events), _event("end", "{}") if is_over else b"", is_partial, last)

    def opening(self, *, with_id: bool) -> bytes:
        """The study as it was last found, its comparison and the curves of running trials, maybe with an event id."""
        event_id = following.event_id(self.study_id, self.told) if with_id else None
        comparison = [_event("comparison", self._comparison)] if self._comparison else []
        return b"".join([_event("study", self._study, event_id), *comparison, *self._curves.values()])

    def _grown(self, curves: Mapping[int, Mapping[str, Any]]) -> list[bytes]:
        before = self._curves
        self._curves = {number: _event("curve", curve_event(number, curve)) for number, curve in curves.items()}
        return [event for number, event in self._curves.items() if before.get(number) != event]

    def _changed(self, study: StudyRecord, last: int) -> Iterator[bytes]:
        """The study, after the trials up to the `last` change, and its comparison, where they have changed.

        To count a study's trials takes longer the more there are.
        """
        began = time.monotonic()
        try:
            view = study_views(self._store, [study])[0]
            shown = view.model_copy(update={"last_event_id": following.event_id(study.id, last)}).model_dump_json()
            compared = study.comparison is not None
            comparison = comparison_view(self._store, study.name).model_dump_json() if compared else ""
        except NotFoundError:  # deleted just now, study or comparison; the next look finds which
            return
        now = time.monotonic()
        self._rests_until = now + min(_REST * (now - began), _MAX_REST_SECONDS)
        if shown != self._study:
            yield _event("study", shown)
        if comparison not in ("", self._comparison):
            yield _event("comparison", comparison)
        self._is_stale, self._study, self._comparison = False, shown, comparison


def known_change(store: Store, study_id: int, last_event_id: str) -> int:
    """The number of the last change that is known to one who names the last event that came."""
    with store.reading() as session:
        position = following.positions(session, [study_id]).get(study_id, 0)
    return following.change_number(last_event_id, study_id, position)


def backlog(store: Store, study_id: int, after: int) -> tuple[bytes, int | None]:
    """The trials that changed after a change, or the first of them; where to go on, None at the end."""
    with store.reading() as session:
        trials = following.changed_trials(session, study_id, after, _MAX_TRIALS)
    return b"".join(trial_events(study_id, trials)), trials[-1].changed if len(trials) == _MAX_TRIALS else None


def trial_events(study_id: int, trials: Sequence[TrialRecord]) -> Iterator[bytes]:
    """An event of each trial, with an id."""
    for trial in trials:
        yield _event("trial", trial_view(trial), following.event_id(study_id, trial.changed or 0))


def _event(kind: str, data: BaseModel | str, event_id: str | None = None) -> bytes:
    text = data if isinstance(data, str) else data.model_dump_json()
    return format_sse_event(event=kind, data_str=text, id=event_id)
