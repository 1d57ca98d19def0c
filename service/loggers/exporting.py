"""Writes a whole study to a tracker; what is there already is not written twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.errors import TrialRefusedError
from service.loggers.reading import StudyReader
from service.loggers.runs import TrialRun
from service.loggers.tracker import Tracker

_MAX_REFUSED = 10


@dataclass(frozen=True, slots=True)
class Logged:
    """What was written."""

    written: int  # trials that were new, or had changed
    known: int  # trials that the tracker had as they are


def log_study(
    reader: StudyReader,
    tracker: Tracker,
    trials: Iterable[TrialRun] | None = None,
    refused: list[TrialRefusedError] | None = None,
) -> Logged:
    """Log a study's trials, by default all, and once it has ended what it led to.

    A trial that the tracker refuses is added to `refused`, and the others go on.

    Raises TrackerError when the tracker is away, TrialRefusedError at the end when it has refused trials, or at once
    when it has refused so many that it is no matter of single ones.
    """
    refused = [] if refused is None else refused
    tracker.open(reader.study)
    written = skipped = 0
    for trial in reader.trials() if trials is None else trials:
        digest = tracker.whole_digest(trial) if trial.has_ended else None
        if digest is not None and digest == trial.digest:
            skipped += 1
        else:
            try:
                tracker.log_trial(trial)
            except TrialRefusedError as error:
                refused.append(error)
                if len(refused) == _MAX_REFUSED:
                    raise
            else:
                written += 1
    if (result := reader.result()) is not None:
        tracker.finish(result)
    if refused:
        raise refused[0]
    return Logged(written, skipped)
