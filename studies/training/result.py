"""What training a trial gives, whichever engine trained it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from studies.datasets.preprocessing import PreparedData
from studies.objectives import OBJECTIVES, ObjectiveName
from studies.hyperparameters import Hyperparameters
from studies.spec import StudySpec

#: Called after every epoch (counted from 1) with its metrics; False ends the training there.
OnEpoch = Callable[[int, Mapping[str, float]], bool]
#: A learning curve: one list a column, one entry an epoch; the column `epoch` counts from 1.
Curve = Mapping[str, list[float]]


@dataclass(frozen=True)
class Job:
    """One trial to train."""

    number: int  # the trial's
    spec: StudySpec
    hyperparameters: Hyperparameters
    seed: int  # of initial weights, data order and dropout


@dataclass(frozen=True)
class TrialResult:
    """What is recorded of a trained trial."""

    metrics: Mapping[str, float]  # train_… and val_… of the weights that were kept
    weights: Mapping[str, float]  # zeros and norms of the regularized kernels
    curve: Curve
    epochs: int  # trained
    best_epoch: int  # whose weights were kept, counted from 1
    stopped_early: bool  # by early stopping

    def objective(self, name: ObjectiveName) -> float:
        """The value of one objective; NaN where it is undefined on this data."""
        return float(self.epochs) if name == "epochs" else self.metrics[name]

    def values(self, spec: StudySpec) -> list[float]:
        """The values of all objectives of a study, in its order."""
        return [self.objective(name) for name in spec.objectives]


@dataclass(frozen=True)
class Trained:
    """A result with a way to write its model down."""

    result: TrialResult
    save: Callable[[Path], None]  # writes a .keras file


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch of one trial gave."""

    number: int  # the trial's
    epoch: int  # counted from 1
    metrics: Mapping[str, float]


class Trials(Protocol):
    """Where an engine gets its trials from and tells how they go.

    What these raise is not the training's fault: an engine lets it pass.
    """

    def next(self, free: int) -> list[Job]:
        """Up to `free` trials to train; none when nothing is left or this worker is to leave."""

    def epoch(self, reports: Sequence[EpochReport]) -> Set[int]:
        """Hear of the epochs that ended; the numbers of trials that are to end here."""

    def done(self, number: int, outcome: Trained | Exception) -> None:
        """Hear of a trial that ended, or of what its training raised."""


#: Trains all trials of a study on its data.
Engine = Callable[[PreparedData, Trials], None]


def reported_objective(spec: StudySpec) -> ObjectiveName | None:
    """The objective whose value every epoch tells the pruner and the dashboard; None when there is none such."""
    name = spec.objectives[0]
    # Optuna takes intermediate values only where there is one objective.
    return name if len(spec.objectives) == 1 and name != "epochs" and name in OBJECTIVES else None
