"""A process that logs studies to one tracker; it ends with its standard input, as its parent does.

It stands apart from the server and the workers, so that a library which is slow to load, a tracker that hangs and one
that breaks keep nobody else waiting.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import cast

import structlog
from sqlalchemy.exc import SQLAlchemyError

from service import logs
from service.errors import StorageError, TrackerError
from service.loggers.live import LiveLogger
from service.loggers.runs import StudyResult, StudyRun, TrialRun
from service.loggers.tracker import Tracker
from service.settings import Settings
from service.storage.store import Store
from service.worker.process import announce_ready
from studies.spec.logger import LoggerName

_log = structlog.get_logger(__name__)
_LOOKS_SECONDS = 1.0
_TRIAL_SECONDS, _RESULT_SECONDS = 50.0, 300.0  # the first less than a lease lasts


def main() -> None:
    """Log until standard input ends."""
    name, holder = cast("LoggerName", sys.argv[1]), sys.argv[2]
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the parent ends this process
    with closing(Store(settings.database_url)) as store:
        logger = LiveLogger(store, settings, name, lambda: _Bounded(make_tracker(name, settings)), holder)
        announce_ready()
        while not _parent_leaves_within(_LOOKS_SECONDS):
            with _database_may_be_away(name):
                logger.look(lambda: _parent_leaves_within(0.0))
        with _database_may_be_away(name):
            logger.close()


@contextmanager
def _database_may_be_away(name: LoggerName) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, StorageError) as error:
        _log.warning("studies are logged again when the database answers", tracker=name, error=str(error))


def make_tracker(name: LoggerName, settings: Settings) -> Tracker:
    """The tracker that the server's owner has set up.

    Raises TrackerError when none is, ExtraMissingError when its library is not installed.
    """
    if name == "mlflow" and settings.mlflow_uri is not None:
        from service.loggers.mlflow_tracker import MlflowTracker

        return MlflowTracker(settings.mlflow_uri)
    if name == "tensorboard" and settings.tensorboard_folder is not None:
        from service.loggers.tensorboard_tracker import TensorboardTracker

        return TensorboardTracker(settings.tensorboard_folder)
    raise TrackerError(name, "is not set up here")


def _parent_leaves_within(seconds: float) -> bool:
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 1024)


class _Bounded:
    """A tracker whose every call ends within some time, whatever it waits for."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def open(self, study: StudyRun) -> None:
        """As the tracker's."""
        with within(_TRIAL_SECONDS):
            self._tracker.open(study)

    def whole_digest(self, trial: TrialRun) -> str | None:
        """As the tracker's."""
        return self._tracker.whole_digest(trial)

    def log_trial(self, trial: TrialRun) -> None:
        """As the tracker's."""
        with within(_TRIAL_SECONDS):
            self._tracker.log_trial(trial)

    def finish(self, result: StudyResult) -> None:
        """As the tracker's."""
        with within(_RESULT_SECONDS):
            self._tracker.finish(result)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise a TrackerError where the block takes longer; in the main thread alone."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TrackerError("the tracker", f"no answer within {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)  # again, where a library swallowed the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    main()
