"""Writes a whole study to a tracker; what is there already is not written twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.loggers.reading import StudyReader
from service.loggers.runs import TrialRun
from service.loggers.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Logged:
    """What was written."""

    written: int  # trials that were new, or had changed
    known: int  # trials that the tracker had as they are


def log_study(reader: StudyReader, tracker: Tracker, trials: Iterable[TrialRun] | None = None) -> Logged:
    """Log a study's trials, by default all, and once it has ended what it led to."""
    tracker.open(reader.study)
    written = skipped = 0
    for trial in reader.trials() if trials is None else trials:
        digest = tracker.whole_digest(trial) if trial.has_ended else None
        if digest is not None and digest == trial.digest:
            skipped += 1
        else:
            tracker.log_trial(trial)
            written += 1
    if (result := reader.result()) is not None:
        tracker.finish(result)
    return Logged(written, skipped)
