"""Estimates how long a study will take, from how fast this server's workers trained lately."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from service.schemas.checks import Estimate
from service.storage.speed import MeasuredStudy, Speed
from studies.analysis.labels import duration
from studies.analysis.work import Work
from studies.models.cost import epoch_seconds, likely_lanes
from studies.spec.study import StudySpec

# On one core: measured on small studies of an MLP, a CNN and an LSTM.
_START_SECONDS = 3.0  # loads the data, compiles
_COMPARISON_STARTS = 5  # the study, the searches, and the confirmation have programs of their own
_TRIAL_SECONDS = 0.01  # beside training: asking, measuring, recording
_FULL = 0.95  # share of the epochs above which trainings count as not stopped early


def estimate(work: Sequence[Work], speed: Speed, workers: int, *, none_runs: bool = False) -> Estimate:
    """Estimate the seconds of a study's work, by so many workers; 0: those that were seen at work."""
    seen = len(frozenset[str]().union(*(study.workers for study in speed.studies)))
    count = workers or seen or 1
    factor = _slowness(speed)
    training = sum(_training_seconds(each, speed, factor) for each in work)
    trials = sum(each.trials for each in work)
    seconds = _beginning(work, speed) + (training + trials * _TRIAL_SECONDS) / count
    return Estimate(
        seconds=seconds,
        duration=duration(seconds),
        trials_a_minute=60 * trials / seconds,
        why=_why(work, speed, count, none_runs=none_runs),
    )


def _beginning(work: Sequence[Work], speed: Speed) -> float:
    """Seconds in which nothing is trained yet: what it was for other studies here, more with a comparison."""
    measured = [study.beside for study in speed.studies if study.beside is not None]
    # The least, for others shared the workers with studies that ran at the same time.
    start = _START_SECONDS + min(measured, default=0.0)
    return start * (1 if work[0].spec.comparison is None else _COMPARISON_STARTS)


def _slowness(speed: Speed) -> float:
    """How much longer this server's trainings take than the estimate by their operations alone."""
    ratios = [study.seconds / (study.epochs * epoch_seconds(study.spec, study.lanes)) for study in speed.studies]
    return median(ratios) if ratios else 1.0


def _training_seconds(work: Work, speed: Speed, factor: float) -> float:
    if not work.fits:
        return 0.0
    epoch = factor * epoch_seconds(work.spec, _lanes(work, speed))
    seconds = work.fits * _epochs(work.spec, speed) * epoch
    timeout = work.spec.budget.timeout_seconds
    return seconds if timeout is None else min(seconds, timeout)


def _lanes(work: Work, speed: Speed) -> int:
    """The lanes of a study that was measured with the same budget, else those by rule."""
    same = [study for study in speed.studies if speed.alike and _is_as_large(study, work.spec)]
    return same[0].lanes if same else likely_lanes(work.spec)


def _is_as_large(study: MeasuredStudy, spec: StudySpec) -> bool:
    return (study.spec.budget.trials, study.spec.resampling) == (spec.budget.trials, spec.resampling)


def _epochs(spec: StudySpec, speed: Speed) -> float:
    """The epochs that a training takes: fewer than the budget's where early stopping may end it."""
    stopping = [study for study in speed.studies if _may_stop(study.spec)]
    if not _may_stop(spec) or not stopping:
        return spec.budget.epochs
    share = median(study.epoch_share for study in stopping)
    if not speed.alike or share > _FULL:
        return share * spec.budget.epochs
    return min(spec.budget.epochs, median(study.epoch_share * study.spec.budget.epochs for study in stopping))


def _may_stop(spec: StudySpec) -> bool:
    return spec.space.patience is not None


def _why(work: Sequence[Work], speed: Speed, workers: int, *, none_runs: bool) -> str:
    by = f"{workers} worker{'s' * (workers > 1)}"
    lanes = likely_lanes(work[0].spec)
    by += f" with about {lanes} lane{'s' * (lanes > 1)}" if lanes else " without lanes"
    by += ", and none is running now" if none_runs else ""
    others = speed.other_active_studies
    shared = f"; {others} other active stud{'ies' if others > 1 else 'y'} will take longer away" if others else ""
    if not speed.studies:
        return (
            f"a guess: nothing was trained on this server yet, so it takes all epochs, at the speed of another "
            f"machine's core, for {by}{shared}"
        )
    names = list(dict.fromkeys(f"'{study.name}'" for study in speed.studies))
    of = f"{', '.join(names[:2])}{' and others' if len(names) > 2 else ''}"
    kind = "of the same data and model" if speed.alike else "of other data or models"
    return f"from {speed.trials} trials of {of}, {kind}, measured on this server; for {by}{shared}"
