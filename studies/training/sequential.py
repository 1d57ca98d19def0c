"""An engine that trains trials one after another with a function that trains one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from studies.datasets.preprocessing import PreparedData
from studies.errors import TrainingError
from studies.training.result import Engine, EpochReport, Job, OnEpoch, Trained, TrainingState, Trials

_log = logging.getLogger(__name__)

Train = Callable[[Job, PreparedData, OnEpoch], Trained]


def sequential(train: Train) -> Engine:
    """The engine of a training function."""

    def run(data: Sequence[PreparedData], trials: Trials) -> None:
        while jobs := trials.next(1):
            _run(jobs[0], data[jobs[0].fold], trials, train)

    return run


def _run(job: Job, data: PreparedData, trials: Trials, train: Train) -> None:
    # An error of `trials` waits here until the training has returned: it is not the training's fault.
    interruption: Exception | None = None

    def on_epoch(epoch: int, metrics: Mapping[str, float], state: Callable[[], TrainingState] | None = None, /) -> bool:
        nonlocal interruption
        try:
            return job.number not in trials.epoch([EpochReport(job.number, epoch, metrics, job.fold, state)])
        except Exception as error:  # noqa: BLE001  # raised again below
            interruption = error
            return False

    try:
        outcome: Trained | Exception = train(job, data, on_epoch)
    # Any error of a training ends that trial, not the worker; the reason is kept with the trial.
    except Exception as error:  # noqa: BLE001
        expected = isinstance(error, TrainingError)
        _log.warning("trial %d failed: %s", job.number, error, exc_info=None if expected else error)
        outcome = error
    if interruption is not None:
        raise interruption
    trials.done(job, outcome)
