"""Follows one training epoch by epoch: learning curve, early stopping, divergence and checkpoint state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from studies.errors import DivergedError
from studies.training import weights
from studies.training.early_stopping import EarlyStopping, EarlyStoppingState
from studies.training.result import Curve, Job, TrialResult
from studies.training.weights import Kernel


class TrainingProgress:
    """The progress of one training, in either engine."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.entries: list[Mapping[str, float]] = []  # the metrics of each epoch
        self._epoch_seconds: list[float] = []  # of the epochs that were measured
        self._rule = EarlyStopping.of(job.spec, job.hyperparameters)
        self._stopping = EarlyStoppingState()

    def facts(self) -> dict[str, Any]:
        """The progress as JSON, for a checkpoint."""
        # "watch" is the state of early stopping, named so in checkpoints that are kept.
        return {"watch": asdict(self._stopping), "entries": list(self.entries)}

    def resume(self, facts: Mapping[str, Any]) -> None:
        """Continue from the facts of a checkpoint."""
        self._stopping = EarlyStoppingState(**facts["watch"])
        self.entries = list(facts["entries"])

    def record(self, entry: Mapping[str, float], seconds: float | None = None) -> None:
        """Add the metrics of one more epoch, and the seconds it took; None where it compiled as well.

        Raises DivergedError when a loss is no longer finite.
        """
        epoch = len(self.entries)
        for name in ("penalized_loss", "val_loss"):
            if not math.isfinite(entry[name]):
                raise DivergedError.of(name, entry[name], epoch + 1)
        self.entries.append(entry)
        if seconds is not None:
            self._epoch_seconds.append(seconds)
        monitored = entry[self.job.spec.early_stopping.monitor]
        self._stopping = self._rule.update(self._stopping, epoch, monitored)

    @property
    def ended(self) -> bool:
        """True when early stopping or the budget of epochs ends the training."""
        return self._stopping.stopped or len(self.entries) >= self.job.max_epochs

    @property
    def is_best(self) -> bool:
        """True when early stopping would restore the weights of the last epoch."""
        return self._restored_epoch == len(self.entries) - 1

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights are kept, counted from 0: the best one, or the last where none is restored."""
        return len(self.entries) - 1 if self._restored_epoch is None else self._restored_epoch

    @property
    def kept_entry(self) -> Mapping[str, float]:
        """The metrics of the epoch whose weights are kept."""
        return self.entries[self.kept_epoch]

    @property
    def _seconds(self) -> float | None:
        """The seconds of training without compiling; epochs that were not measured count as those that were."""
        return fmean(self._epoch_seconds) * len(self.entries) if self._epoch_seconds else None

    @property
    def _restored_epoch(self) -> int | None:
        return self._stopping.best_epoch if self._rule.restores_best(self.job.spec) else None

    def result(
        self, metrics: Mapping[str, float], kernels: Sequence[Sequence[Kernel]], input_shape: Sequence[int]
    ) -> TrialResult:
        """The result of the training, from the metrics and the kernels by layer of the weights that are kept."""
        return TrialResult(
            metrics=metrics,
            weights=weights.summarize([kernel for layer in kernels for kernel in layer]),
            detail=weights.detail(kernels, features=weights.reads_features(self.job.spec.model, input_shape)),
            curve=self._curve(),
            epochs=len(self.entries),
            best_epoch=self.kept_epoch + 1,
            stopped_early=self._stopping.stopped,
            seconds=[self._seconds],
        )

    def _curve(self) -> Curve:
        columns = {name: [entry[name] for entry in self.entries] for name in self.entries[0]}
        return {"epoch": [float(i + 1) for i in range(len(self.entries))]} | columns
