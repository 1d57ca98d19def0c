"""Logs studies to one tracker while they run: looks again and again, and logs what is new.

What a tracker misses while it is away is logged when it is back, for the database says how far each study is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from uuid import uuid4

import structlog

from service.errors import ArtifactError, ExtraMissingError, NotFoundError, TrackerError, TrialRefusedError
from service.local import LocalStudies
from service.loggers.exporting import log_study
from service.loggers.reading import CONFIRMATION, CURVES, SEARCH, Part, StudyReader
from service.loggers.runs import TrialRun
from service.loggers.tracker import Tracker
from service.settings import Settings
from service.storage.artifacts import Artifacts
from service.storage.records import StudyRecord, TrialRecord
from service.storage.states import ACTIVE_COMPARISON, ACTIVE_STUDY
from service.storage.store import Store
from service.storage.tracked import LEASE_SECONDS, RESULT_LEASE_SECONDS, Held, TrackedStore
from service.views.trials import trial_view
from studies.errors import InvalidSpecError
from studies.reasons import one_line
from studies.spec.logger import LoggerName

_log = structlog.get_logger(__name__)
RENEWED_AFTER_SECONDS = LEASE_SECONDS / 4


class LiveLogger:
    """Logs the studies of one tracker, all in one process."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        name: LoggerName,
        make: Callable[[], Tracker],
        holder: str | None = None,
    ) -> None:
        """`make` makes a tracker for one study, which remembers what it has logged; `holder` names this process."""
        self._store, self._name, self._make = store, name, make
        self._is_for_all = name in settings.loggers
        self._studies = LocalStudies(store, Artifacts(settings.artifacts_url), settings)
        self._tracked = TrackedStore(store, name, holder or uuid4().hex)
        self._trackers: dict[int, Tracker] = {}  # by study
        self._held_since = 0.0  # by the monotonic clock, the study that is being logged

    def look(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Log what is new in the studies that are due; begin none once `is_over` says so."""
        self._tracked.adopt(every=self._is_for_all)
        held, since = self._tracked.hold(), monotonic()
        for study in held:
            if is_over():  # a tracker that hangs has its time for each of them
                break
            self._held_since = since
            self._log(study)

    def close(self) -> None:
        """Leave the studies to another process, which else waits until the lease of each has ended."""
        self._tracked.release()

    def _log(self, held: Held) -> None:
        if held.is_new:
            self._trackers.pop(held.study_id, None)
        try:
            is_done = self._catch_up(held)
        except (TrackerError, ExtraMissingError, ArtifactError, InvalidSpecError) as error:
            self._fail(held, str(error))
        except NotFoundError:  # deleted meanwhile, with its record
            self._trackers.pop(held.study_id, None)
        # Whatever a tracker's library raises is that study's, and no reason to leave the others alone.
        except Exception as error:  # noqa: BLE001
            _log.exception("a study could not be logged, and nobody foresaw why", study=held.name, tracker=self._name)
            self._fail(held, one_line(f"{type(error).__name__}: {error}"))
        else:
            if held.failures:
                _log.info("logger.caught_up", study=held.name, tracker=self._name)
            if is_done:
                self._trackers.pop(held.study_id, None)
                _log.info("logger.done", study=held.name, tracker=self._name)

    def _fail(self, held: Held, problem: str) -> None:
        self._trackers.pop(held.study_id, None)
        seconds = self._tracked.fail(held, problem)
        _log.warning("logger.failed", study=held.name, tracker=self._name, problem=problem, tried_again_after=seconds)

    def _catch_up(self, held: Held) -> bool:
        """Log what is new in a study; return whether it has ended and is logged whole."""
        self._keep(held, held.positions)  # the studies before it may have taken long
        parts = self._tracked.parts(held)
        study = next((part for part in parts if part.id == held.study_id), None)
        if study is None:
            raise NotFoundError(f"there is no study named '{held.name}'")
        is_active = study.state in ACTIVE_STUDY or study.comparison_state in ACTIVE_COMPARISON
        positions = {str(part.id): held.positions.get(str(part.id), 0) for part in parts}
        tracker = self._trackers.get(held.study_id)
        if tracker is None or not is_active or self._tracked.has_news(positions):
            if tracker is None:
                tracker = self._trackers[held.study_id] = self._make()
            reader = StudyReader(self._studies, held.name)
            refused: list[TrialRefusedError] = []
            log_study(reader, tracker, self._new_trials(held, reader, parts, positions, refused), refused)
        # Its state was read before its trials were, so that none can have changed since its end.
        self._tracked.succeed(held, positions, study.invalidated_count, is_done=not is_active)
        return not is_active

    def _new_trials(
        self,
        held: Held,
        reader: StudyReader,
        parts: Sequence[StudyRecord],
        positions: dict[str, int],
        refused: Sequence[TrialRefusedError],
    ) -> Iterator[TrialRun]:
        """Trials that have changed, and those that run; `positions` follows them up to the first that was refused."""
        for record in parts:
            part = Part(record.name, SEARCH if record.parent_id is None else record.technique or CONFIRMATION)
            position = positions[str(record.id)]
            while changed := self._tracked.changed(record.id, position):
                for trial in self._runs(reader, part, changed):
                    self._keep(held, positions)
                    yield trial
                position = changed[-1].changed or position
                if not refused:
                    positions[str(record.id)] = position
                self._renew(held, positions)
            for trial in self._runs(reader, part, self._tracked.running(record.id)):
                self._keep(held, positions)
                yield trial
        if not reader.view.active:
            self._renew(held, positions, RESULT_LEASE_SECONDS)

    def _keep(self, held: Held, positions: Mapping[str, int]) -> None:
        """Hold a study longer where its lease has run for a while, so that no other process begins with it."""
        if monotonic() - self._held_since >= RENEWED_AFTER_SECONDS:
            self._renew(held, positions)

    def _renew(self, held: Held, positions: Mapping[str, int], seconds: float = LEASE_SECONDS) -> None:
        if not self._tracked.renew(held, positions, seconds):
            raise TrackerError(self._name, "another server logs this study now")
        self._held_since = monotonic()

    def _runs(self, reader: StudyReader, part: Part, trials: Sequence[TrialRecord]) -> Iterator[TrialRun]:
        for start in range(0, len(trials), CURVES):
            together = trials[start : start + CURVES]
            read = self._store.curves(part.name, [trial.number for trial in together if trial.number is not None])
            curves = {trial.number: curve for trial, curve in read}
            for trial in together:
                yield reader.trial(part, trial_view(trial), curves.get(trial.number, {}))
