"""The job of one training, its result, and the protocol between an engine and the sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
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
_MAX_FEATURES = 1000  # of a fold whose order is kept


class OnEpoch(Protocol):
    """Called after every epoch (counted from 1) with its metrics and a function that gives the training's state."""

    def __call__(
        self, epoch: int, metrics: Mapping[str, float], state: Callable[[], TrainingState] | None = None, /
    ) -> bool:
        """Report the epoch; return False to end the training there."""


#: A learning curve: one list a column, one entry an epoch; the column `epoch` counts from 1.
Curve = Mapping[str, list[float]]


@dataclass(frozen=True)
class TrainingState:
    """The state of a training between two epochs: enough to continue as if it had never stopped."""

    engine: str  # that can continue it
    facts: Mapping[str, Any]  # JSON
    arrays: Sequence[npt.NDArray[Any]]  # in the engine's order


@dataclass(frozen=True)
class Job:
    """One training of a trial: its only one, or that of one fold."""

    number: int  # the trial's
    spec: StudySpec
    hyperparameters: Hyperparameters
    seed: int  # of initial weights, data order and dropout
    fold: int = 0  # the index of its data among the engine's
    measures_test: bool = False  # whether it is evaluated on the test part as well: no search may
    state: TrainingState | None = None  # to continue from; an engine that cannot begins anew
    epochs: int | None = None  # in place of the budget's, over which a schedule still runs

    @property
    def max_epochs(self) -> int:
        """Number of epochs after which it ends."""
        return self.epochs or self.spec.budget.epochs


@dataclass(frozen=True)
class TrialResult:
    """The recorded result of a trained trial."""

    metrics: Mapping[str, float]  # train_… and val_… of the kept weights, and their gap
    weights: Mapping[str, float]  # zeros and norms of the regularized kernels
    detail: Mapping[str, Any]  # of the weights by layer and by input feature; of each fold
    curve: Curve
    epochs: int  # trained; of several trainings the mean
    best_epoch: int  # whose weights are kept, counted from 1
    stopped_early: bool  # by early stopping
    # Of each training, without compiling; None where it was not measured. Equal trainings take different times.
    seconds: Sequence[float | None] = field(default=(), compare=False, repr=False)

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


def rename_nested_metrics(result: TrialResult) -> TrialResult:
    """Rename the metrics of a nested fold: test_* to val_*, and val_*, which early stopping watched, to stopping_*."""
    metrics: dict[str, float] = {}
    for name, value in result.metrics.items():
        part, _, metric = name.partition("_")
        metrics[f"{_NESTED.get(part, part)}_{metric}" if metric else name] = value
    metrics["gap"] = metrics["val_loss"] - metrics["train_loss"]
    return replace(result, metrics=metrics)


def mean_result(results: Sequence[TrialResult], spec: StudySpec) -> TrialResult:
    """The result of a trial of several trainings: means, the deviation of each objective, and the results of each fold.

    `results` are in the order of their folds. The learning curve and the weights by layer are those of the fold whose
    model is kept.
    """
    kept = results[spec.kept_fold(range(len(results)))]
    if spec.resampling.kind == "holdout":
        return kept
    metrics = {name: _mean([result.metrics[name] for result in results]) for name in kept.metrics}
    for objective in spec.objectives:
        values = [result.objective(objective) for result in results]
        metrics[f"{objective}_deviation"] = _deviation(values)
    return TrialResult(
        metrics=metrics,
        weights={name: _mean([result.weights[name] for result in results]) for name in kept.weights},
        detail={**kept.detail, "folds": [_fold_detail(result) for result in results]},
        curve=kept.curve,
        epochs=round(_mean([result.epochs for result in results])),
        best_epoch=round(_mean([result.best_epoch for result in results])),
        stopped_early=any(result.stopped_early for result in results),
        seconds=[seconds for result in results for seconds in result.seconds],
    )


def _fold_detail(result: TrialResult) -> dict[str, Any]:
    # JSON knows no NaN; an undefined metric is null.
    metrics = {name: value if isfinite(value) else None for name, value in result.metrics.items()}
    norms = result.detail.get("feature_norms", [])
    by_norm = sorted((column for column, norm in enumerate(norms) if norm), key=lambda column: -norms[column])
    return {
        "metrics": metrics,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "weights": dict(result.weights),
        "features": by_norm[:_MAX_FEATURES],
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    if not all(map(isfinite, values)):
        return nan
    return stdev(values) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Trained:
    """A result, and a function that writes its model."""

    result: TrialResult
    save: Callable[[Path], None]  # writes a .keras file


@dataclass(frozen=True, slots=True)
class EpochReport:
    """The metrics of one epoch of one training."""

    number: int  # the trial's
    epoch: int  # counted from 1
    metrics: Mapping[str, float]
    fold: int = 0
    state: Callable[[], TrainingState] | None = None  # gives the training's; None within a call, or when it has ended
    may_stop: bool = True  # whether another worker can continue the training from here


class Trials(Protocol):
    """The sweep as an engine sees it: gives out trainings and takes their epochs and results.

    An engine does not catch what these methods raise: it is not the training's fault.
    """

    def next(self, free: int) -> list[Job]:
        """Claim up to `free` trainings; none when nothing is left or this worker is to leave."""

    def epoch(self, reports: Sequence[EpochReport]) -> Set[int]:
        """Report the epochs that ended; return the numbers of trials whose trainings are to end here."""

    def done(self, job: Job, outcome: Trained | Exception) -> None:
        """Record a training that ended, or the error it raised."""


#: The context inside which programs are traced and compiled, for those who watch.
Compiling = Callable[[], AbstractContextManager[None]]
#: Trains all trials of a study on its data, which `Job.fold` counts.
Engine = Callable[[Sequence[PreparedData], Trials], None]


def reported_objective(spec: StudySpec) -> ObjectiveName | None:
    """The objective whose value each epoch reports to the pruner and the dashboard; None where epochs have no value."""
    name = spec.objectives[0]
    # Optuna takes intermediate values only where there is one objective.
    return name if len(spec.objectives) == 1 and name in MONITORS else None
