"""A trial in a lane: what is the trial's own beside what the compiled program holds of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from studies.errors import DivergedError
from studies.training.early_stopping import EarlyStopping, Watch
from studies.training.result import Job


@dataclass
class Seat:
    """The course of one trial, epoch by epoch."""

    job: Job
    order: np.random.Generator  # of the rows
    rule: EarlyStopping
    watch: Watch = field(default_factory=Watch)
    entries: list[Mapping[str, float]] = field(default_factory=list)  # the metrics of each epoch

    @classmethod
    def of(cls, job: Job) -> Seat:
        """The seat of a trial before its first epoch, or where its state says."""
        seat = cls(job, np.random.default_rng([job.seed, 1]), EarlyStopping.of(job.spec, job.hyperparameters))
        if job.state is not None:
            seat.order.bit_generator.state = job.state.facts["order"]
            seat.watch = Watch(**job.state.facts["watch"])
            seat.entries = list(job.state.facts["entries"])
        return seat

    def facts(self) -> dict[str, object]:
        """Where the trial stands, as JSON."""
        return {"order": self.order.bit_generator.state, "watch": asdict(self.watch), "entries": list(self.entries)}

    @property
    def ended(self) -> bool:
        """Whether early stopping or the budget of epochs ends it."""
        return self.watch.stopped or len(self.entries) >= self.job.most_epochs

    @property
    def kept(self) -> int | None:
        """The epoch, counted from 0, whose weights early stopping would restore; None when it restores none."""
        return self.watch.best_epoch if self.rule.restores_best(self.job.spec) else None

    def follow(self, entry: Mapping[str, float]) -> None:
        """Take in the metrics of one more epoch; DivergedError when a loss is no longer finite."""
        epoch = len(self.entries)
        for name in ("penalized_loss", "val_loss"):
            if not math.isfinite(entry[name]):
                raise DivergedError.of(name, entry[name], epoch + 1)
        self.entries.append(entry)
        self.watch = self.rule.watch(self.watch, epoch, entry[self.job.spec.early_stopping.monitor])

    def curve(self) -> dict[str, list[float]]:
        """The learning curve so far."""
        columns = {name: [entry[name] for entry in self.entries] for name in self.entries[0]}
        return {"epoch": [float(i + 1) for i in range(len(self.entries))]} | columns
