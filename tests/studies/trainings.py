"""Trainings that are formulas, and the sweep over them: what the tests of the loop share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from studies.datasets.preprocessing import PreparedData, prepare_folds
from studies.spec.study import StudySpec
from studies.sweep.loop import sweep
from studies.training.result import Job, OnEpoch, Trained, TrialResult
from studies.training.sequential import Train, sequential
from tests.studies.documents import study
from tests.studies.ledger import MemoryLedger

EPOCHS = 4
Loss = Callable[[Job], float]


def formula(loss: Loss, jobs: list[Job] | None = None) -> Train:
    """A training whose every epoch has the loss that the formula gives the job."""

    def train(job: Job, data: PreparedData, on_epoch: OnEpoch) -> Trained:
        if jobs is not None:
            jobs.append(job)
        value = loss(job)
        metrics = {"val_loss": value, "val_accuracy": 1 - value}
        epochs = 0
        for epoch in range(1, EPOCHS + 1):
            epochs = epoch
            if not on_epoch(epoch, metrics):
                break
        curve = {"epoch": [float(i + 1) for i in range(epochs)], "val_loss": [value] * epochs}
        result = TrialResult(metrics, {}, {}, curve, epochs, best_epoch=1, stopped_early=False)

        def save(path: Path) -> None:
            path.write_text(f"model of loss {value}", encoding="utf-8")

        return Trained(result, save)

    return train


def sequence(values: Sequence[float]) -> Loss:
    """The losses of the trials one after the other."""
    rest = iter(values)

    def loss(_job: Job) -> float:
        return next(rest)

    return loss


def dropout(job: Job) -> float:
    return job.hyperparameters.regularization.layers[0].dropout


def swept(spec: StudySpec, ledger: MemoryLedger, train: Train) -> int:
    return sweep(
        spec, prepare_folds(spec.dataset, spec.seed, spec.resampling), ledger, sequential(train), report_seconds=0.0
    )


def states(ledger: MemoryLedger) -> list[TrialState]:
    return [ledger.outcomes[number].state for number in range(len(ledger.outcomes))]


def random_study(**parts: Any) -> StudySpec:
    return study(**{"sampler": {"name": "random"}, **parts})
