"""How often a sweep reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studies.datasets.preprocessing import PreparedData, prepare
from studies.sweep.ledger import Report, Standing
from studies.sweep.loop import sweep
from studies.sweep.pruning import is_rung
from studies.training.result import EpochReport, Trained, TrialResult, Trials
from tests.studies.ledger import MemoryLedger
from tests.studies.trainings import random_study

EPOCHS = 640


@dataclass
class CountingLedger(MemoryLedger):
    """Notes what reports bring."""

    values: list[Sequence[tuple[int, float]]] = field(default_factory=list)
    curves: int = 0
    reports: int = 0

    def report(self, reports: Sequence[Report]) -> Standing:
        self.reports += 1
        self.curves += any(report.curve is not None for report in reports)
        self.values += [report.values for report in reports]
        return super().report(reports)


class Slow:
    """An engine and its clock: every epoch takes some seconds."""

    def __init__(self, epoch_seconds: float) -> None:
        self._now, self._epoch_seconds = 0.0, epoch_seconds

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float, /) -> None:
        self._now += seconds

    def __call__(self, _: Sequence[PreparedData], trials: Trials) -> None:
        [job] = trials.next(1)
        losses = [1 / epoch for epoch in range(1, EPOCHS + 1)]
        for epoch, loss in enumerate(losses, start=1):
            self.sleep(self._epoch_seconds)
            trials.epoch([EpochReport(job.number, epoch, {"val_loss": loss})])
        curve = {"epoch": [float(epoch + 1) for epoch in range(EPOCHS)], "val_loss": losses}
        result = TrialResult({"val_loss": losses[-1]}, {}, {}, curve, EPOCHS, EPOCHS, stopped_early=False)
        trials.done(job, Trained(result, Path.touch))


def reported(epoch_seconds: float) -> CountingLedger:
    spec = random_study(budget={"trials": 1, "epochs": EPOCHS})
    ledger, slow = CountingLedger(budget=1), Slow(epoch_seconds)
    assert sweep(spec, [prepare(spec.dataset, 0)], ledger, slow, clock=slow) == 1
    return ledger


def test_a_trial_that_takes_ten_times_as_long_brings_its_curve_little_more_often() -> None:
    short, long = reported(20 / EPOCHS), reported(200 / EPOCHS)
    assert 4 <= short.curves <= 10
    assert 10 <= short.reports <= 40
    assert short.curves < long.curves < 6 * short.curves
    assert short.reports < long.reports < 6 * short.reports


def test_every_rung_is_reported_once_however_seldom_reports_bring_values() -> None:
    ledger = reported(200 / EPOCHS)
    steps = [step for values in ledger.values for step, _ in values]
    [outcome] = ledger.outcomes.values()
    steps += [step for step, _ in outcome.unreported]
    assert steps == [epoch for epoch in range(1, EPOCHS + 1) if is_rung(epoch)]
