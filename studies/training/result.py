"""One training: what it is asked for and what it gives, whichever engine trains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import isfinite, nan
from pathlib import Path
from statistics import stdev
from typing import Any, Protocol

import numpy.typing as npt

from studies.datasets.preprocessing import PreparedData
from studies.hyperparameters import Hyperparameters
from studies.objectives import MONITORS, ObjectiveName
from studies.spec.study import StudySpec

_NESTED = {"val": "stopping", "test": "val"}
_FEATURES = 1000  # of a fold whose order is kept


class OnEpoch(Protocol):
    """Called after every epoch (counted from 1) with its metrics, and what gives the training's state as it is now."""

    def __call__(
        self, epoch: int, metrics: Mapping[str, float], state: Callable[[], TrainingState] | None = None, /
    ) -> bool:
        """False ends the training there."""


#: A learning curve: one list a column, one entry an epoch; the column `epoch` counts from 1.
Curve = Mapping[str, list[float]]


@dataclass(frozen=True)
class TrainingState:
    """All that a training is between two epochs: enough to go on as if it had never stopped."""

    engine: str  # which can go on with it
    facts: Mapping[str, Any]  # JSON
    arrays: Sequence[npt.NDArray[Any]]  # in the engine's order


@dataclass(frozen=True)
class Job:
    """One training of a trial: its only one, or that of one fold."""

    number: int  # the trial's
    spec: StudySpec
    hyperparameters: Hyperparameters
    seed: int  # of initial weights, data order and dropout
    fold: int = 0  # on which of the engine's data it is trained
    measures_test: bool = False  # whether it is measured on the test part as well: no search may
    state: TrainingState | None = None  # to go on from; an engine that cannot begins anew
    epochs: int | None = None  # in place of the budget's, over which a schedule still runs

    @property
    def max_epochs(self) -> int:
        """After how many epochs it ends."""
        return self.epochs or self.spec.budget.epochs


@dataclass(frozen=True)
class TrialResult:
    """What is recorded of a trained trial."""

    metrics: Mapping[str, float]  # train_… and val_… of the weights that were kept, and their gap
    weights: Mapping[str, float]  # zeros and norms of the regularized kernels
    detail: Mapping[str, Any]  # of the weights by layer and by input feature; of each fold
    curve: Curve
    epochs: int  # trained; of several trainings the mean
    best_epoch: int  # whose weights were kept, counted from 1
    stopped_early: bool  # by early stopping

    def objective(self, name: ObjectiveName) -> float:
        """The value of one objective; NaN where it is undefined on this data."""
        if name == "nonzero_weights":
            return float(self.weights["nonzero"])
        return float(self.epochs) if name == "epochs" else self.metrics[name]

    def values(self, spec: StudySpec) -> list[float]:
        """The values of all objectives of a study, in its order."""
        return [self.objective(name) for name in spec.objectives]


def all_metrics(train: Mapping[str, float], validation: Mapping[str, float]) -> dict[str, float]:
    """The metrics of both parts, and the gap between validation and training loss."""
    gap = validation["val_loss"] - train["train_loss"]
    return {**train, **validation, "gap": gap}


def judged_on_fold(result: TrialResult) -> TrialResult:
    """Of a nested resampling: what was measured on the fold, the engine's test part, is the validation's; what early
    stopping watched is named so.
    """
    metrics: dict[str, float] = {}
    for name, value in result.metrics.items():
        part, _, metric = name.partition("_")
        metrics[f"{_NESTED.get(part, part)}_{metric}" if metric else name] = value
    metrics["gap"] = metrics["val_loss"] - metrics["train_loss"]
    return replace(result, metrics=metrics)


def mean_result(results: Sequence[TrialResult], spec: StudySpec) -> TrialResult:
    """The result of a trial of several trainings: means, the deviation of each objective, and what each fold gave.

    The learning curve and the weights by layer are those of the first, which is also the model that is kept.
    """
    first = results[0]
    if spec.resampling.kind == "holdout":
        return first
    metrics = {name: _mean([result.metrics[name] for result in results]) for name in first.metrics}
    for objective in spec.objectives:
        values = [result.objective(objective) for result in results]
        metrics[f"{objective}_deviation"] = _deviation(values)
    return TrialResult(
        metrics=metrics,
        weights={name: _mean([result.weights[name] for result in results]) for name in first.weights},
        detail={**first.detail, "folds": [_of_fold(result) for result in results]},
        curve=first.curve,
        epochs=round(_mean([result.epochs for result in results])),
        best_epoch=round(_mean([result.best_epoch for result in results])),
        stopped_early=any(result.stopped_early for result in results),
    )


def _of_fold(result: TrialResult) -> dict[str, Any]:
    # JSON knows no NaN; what is undefined is null.
    metrics = {name: value if isfinite(value) else None for name, value in result.metrics.items()}
    found = {
        "metrics": metrics,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "weights": dict(result.weights),
    }
    norms = result.detail.get("feature_norms", [])
    ordered = sorted((column for column, norm in enumerate(norms) if norm), key=lambda column: -norms[column])
    return found | {"features": ordered[:_FEATURES]}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    if not all(map(isfinite, values)):
        return nan
    return stdev(values) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Trained:
    """A result with a way to write its model down."""

    result: TrialResult
    save: Callable[[Path], None]  # writes a .keras file


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch of one training gave."""

    number: int  # the trial's
    epoch: int  # counted from 1
    metrics: Mapping[str, float]
    fold: int = 0
    state: Callable[[], TrainingState] | None = None  # gives the training's; None where it cannot be had, or has ended
    may_stop: bool = True  # whether the training can be left here, to be gone on with by another worker


class Trials(Protocol):
    """Where an engine gets its trials from and tells how they go.

    What these raise is not the training's fault: an engine lets it pass.
    """

    def next(self, free: int) -> list[Job]:
        """Up to `free` trainings; none when nothing is left or this worker is to leave."""

    def epoch(self, reports: Sequence[EpochReport]) -> Set[int]:
        """Hear of the epochs that ended; the numbers of trials whose trainings are to end here."""

    def done(self, job: Job, outcome: Trained | Exception) -> None:
        """Hear of a training that ended, or of what it raised."""


#: Trains all trials of a study on its data, which `Job.fold` counts.
Engine = Callable[[Sequence[PreparedData], Trials], None]


def reported_objective(spec: StudySpec) -> ObjectiveName | None:
    """The objective whose value every epoch tells the pruner and the dashboard; None when there is none such."""
    name = spec.objectives[0]
    # Optuna takes intermediate values only where there is one objective.
    return name if len(spec.objectives) == 1 and name in MONITORS else None
