"""What a tracker can do; each kind is a module beside this one."""

from __future__ import annotations

import re
from typing import Protocol

from service.loggers.runs import StudyResult, StudyRun, TrialRun

_PASSWORD = re.compile(r"(?<=://)[^\s/@]*@")


def without_password(text: str) -> str:
    """A text whose addresses are without the user and the password that may stand in them."""
    return _PASSWORD.sub("", text)


class Tracker(Protocol):
    """Keeps the runs of one study at a time. Each method may be called again with the same, and then changes nothing.

    Methods raise TrackerError when the tracker is away or refuses.
    """

    def open(self, study: StudyRun) -> None:
        """Find or begin the run of a study."""

    def whole_digest(self, trial: TrialRun) -> str | None:
        """The digest with which a trial was logged whole; None until then."""

    def log_trial(self, trial: TrialRun) -> None:
        """Log what is not logged yet of a trial.

        Raises TrialRefusedError when the tracker would refuse it again.
        """

    def finish(self, result: StudyResult) -> None:
        """Log what the study led to."""
