"""An engine that plays recorded trainings, in virtual time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from studies.datasets.preprocessing import PreparedData
from studies.hyperparameters import Hyperparameters
from studies.sweep.clock import Clock
from studies.training.result import EpochReport, Job, Trained, TrainingState, TrialResult, Trials

_RECORDINGS = Path(__file__).with_name("recordings.jsonl")


@dataclass(frozen=True, slots=True)
class Recording:
    """A training as it went; its curve is `Curve`, a column each."""

    index: int
    document: Mapping[str, Any]

    @property
    def curve(self) -> Mapping[str, list[float]]:
        """The learning curve."""
        curve: Mapping[str, list[float]] = self.document["curve"]
        return curve

    @property
    def epochs(self) -> int:
        """The number of its epochs."""
        return len(self.curve["epoch"])

    def epoch_seconds(self, slower: float) -> float:
        """The mean time of an epoch, if it took so many times as long."""
        return slower * float(self.document["seconds"]) / self.epochs

    def distance(self, hyperparameters: Hyperparameters) -> float:
        """How far its values are from others."""
        params, layer = self.document["params"], hyperparameters.regularization.layer(0)
        lambda_ = max(layer.kernel.lambda_, 1e-9)
        return float(
            (params["regularizer"] != layer.kernel.kind) * 10
            + abs(math.log10((params["lambda"] or 1e-9) / lambda_))
            + 4 * abs((params["dropout"] or 0.0) - layer.dropout)
        )


@cache
def recordings() -> Sequence[Recording]:
    """All recordings."""
    lines = _RECORDINGS.read_text().splitlines()
    return [Recording(index, json.loads(line)) for index, line in enumerate(lines)]


def value_of(model: bytes) -> float:
    """The value of the trial whose model this is."""
    kept = json.loads(model)
    return _value(recordings()[kept["recording"]], int(kept["epochs"]), float(kept["factor"]))


def _value(recording: Recording, epochs: int, factor: float) -> float:
    return factor * min(recording.curve["val_loss"][:epochs])


@dataclass(eq=False)
class _Lane:
    job: Job
    recording: Recording
    epoch: int  # that ended last

    @property
    def factor(self) -> float:
        """What its loss is of the recording's: other values give another, and so does another seed."""
        seed = (self.job.seed % 997) / 99_700
        return 1 + seed + self.recording.distance(self.job.hyperparameters) / 50

    @property
    def epochs(self) -> int:
        return min(self.job.max_epochs, self.recording.epochs)

    def state(self) -> TrainingState:
        entries = [{"val_loss": value} for value in self.recording.curve["val_loss"][: self.epoch]]
        return TrainingState("recorded", {"epochs": self.epoch, "entries": entries}, [])

    def report(self) -> EpochReport:
        metrics = {name: column[self.epoch - 1] for name, column in self.recording.curve.items() if name != "epoch"}
        state = None if self.epoch == self.epochs else self.state
        return EpochReport(self.job.number, self.epoch, metrics, self.job.fold, state)

    def trained(self) -> Trained:
        document, curve = self.recording.document, self.recording.curve
        value = _value(self.recording, self.epoch, self.factor)
        ended = self.epoch == self.recording.epochs
        result = TrialResult(
            metrics={**document["metrics"], "val_loss": value},
            weights=document["weights"],
            detail=document["detail"],
            curve={name: column[: self.epoch] for name, column in curve.items()},
            epochs=self.epoch,
            best_epoch=min(document["best_epoch"], self.epoch),
            stopped_early=ended and document["stopped_early"],
            seconds=[document["seconds"]],
        )
        kept = {"recording": self.recording.index, "epochs": self.epoch, "factor": self.factor}
        return Trained(result, partial(_write, json.dumps(kept)))


def _write(text: str, path: Path) -> None:
    path.write_text(text)


@dataclass(frozen=True)
class Player:
    """A studies.training.result.Engine: lanes in which recordings go on an epoch at a time."""

    clock: Clock
    lanes: int
    slower: float  # than recorded

    def __call__(self, _: Sequence[PreparedData], trials: Trials) -> None:
        """Play trainings until none is handed out."""
        lanes: list[_Lane] = []
        while True:
            lanes += map(_begun, trials.next(self.lanes - len(lanes)))
            if not lanes:
                return
            self.clock.sleep(max(lane.recording.epoch_seconds(self.slower) for lane in lanes))
            for lane in lanes:
                lane.epoch += 1
            ending = trials.epoch([lane.report() for lane in lanes])
            ended = [lane for lane in lanes if lane.job.number in ending or lane.epoch == lane.epochs]
            lanes = [lane for lane in lanes if lane not in ended]
            for lane in ended:
                trials.done(lane.job, lane.trained())


def _begun(job: Job) -> _Lane:
    recording = min(recordings(), key=lambda each: each.distance(job.hyperparameters))
    return _Lane(job, recording, 0 if job.state is None else int(job.state.facts["epochs"]))
