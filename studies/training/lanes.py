"""The lane engine: trials sit in the lanes of a compiled program, and a lane that falls free is filled at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from studies.datasets.preprocessing import Part, PreparedData
from studies.errors import DivergedError
from studies.models.architecture import design
from studies.objectives import OBJECTIVES
from studies.training import weights
from studies.training.early_stopping import EarlyStopping, Watch
from studies.training.metrics import by_lane, task_metrics
from studies.training.program import Data, Program, ProgramKey, Settings
from studies.training.result import Engine, EpochReport, Job, Trained, TrialResult, Trials
from studies.training.step import Lane


@dataclass
class _Seat:
    """A trial in a lane."""

    job: Job
    rng: np.random.Generator  # of the data order
    rule: EarlyStopping
    watch: Watch = field(default_factory=Watch)
    entries: list[dict[str, float]] = field(default_factory=list)
    improved: bool = False  # in the last epoch, so its weights are the best and not yet kept

    @property
    def ended(self) -> bool:
        """Whether early stopping or the budget of epochs ends it."""
        return self.watch.stopped or len(self.entries) >= self.job.spec.budget.epochs


def lane_engine(sizes: Sequence[int], program: Callable[[int], Program]) -> Engine:
    """The engine over the programs of some batch sizes: a trial sits in the program of its own size."""

    def run(data: PreparedData, trials: Trials) -> None:
        groups = {size: _Group(program(size), data) for size in sizes}
        while True:
            # Whatever sizes the next trials ask for, there is a lane for each.
            free = min(group.free for group in groups.values())
            jobs = trials.next(free) if free else []
            for size, group in groups.items():
                group.seat([job for job in jobs if job.hyperparameters.batch_size == size])
            busy = [group for group in groups.values() if group.busy]
            if not busy:
                return
            for group in busy:
                group.train_epoch(trials)

    return run


class _Group:
    """The lanes of one program and the trials that sit in them."""

    def __init__(self, program: Program, data: PreparedData) -> None:
        self._program, self._prepared = program, data
        self._data = Data(*map(tf.constant, (data.train.x, data.train.y, data.validation.x, data.validation.y)))
        self._lanes = program.empty()
        self._best = self._lanes.lane
        self._seats: list[_Seat | None] = [None] * program.key.lanes

    @property
    def free(self) -> int:
        """Lanes that hold no trial."""
        return self._seats.count(None)

    @property
    def busy(self) -> bool:
        """Whether a lane holds a trial."""
        return self.free < len(self._seats)

    def _taken(self) -> Iterator[tuple[int, _Seat]]:
        return ((lane, seat) for lane, seat in enumerate(self._seats) if seat is not None)

    def seat(self, jobs: Sequence[Job]) -> None:
        """Put trials into free lanes; there must be enough."""
        if not jobs:
            return
        empty = [lane for lane, seat in enumerate(self._seats) if seat is None]
        chosen = dict(zip(empty[: len(jobs)], jobs, strict=True))
        fresh = np.zeros(len(self._seats), dtype=bool)
        fresh[list(chosen)] = True
        initial = Lane(*([np.zeros(a.shape, np.float32) for a in arrays] for arrays in self._lanes.lane))
        for lane, job in chosen.items():
            self._seats[lane] = _seated(job)
            drawn = self._program.initial(job.seed)
            for stacked, values in zip((*initial.weights, *initial.state), (*drawn.weights, *drawn.state), strict=True):
                stacked[lane] = values
        self._lanes = self._program.seat(self._lanes, tf.constant(fresh), initial)

    def train_epoch(self, trials: Trials) -> None:
        """Train every lane for an epoch; trials that end leave their lanes."""
        rows = self._program.key.train_rows
        order = np.tile(np.arange(rows, dtype=np.int32), (len(self._seats), 1))
        keep = np.zeros(len(self._seats), dtype=bool)
        for lane, seat in self._taken():
            order[lane] = seat.rng.permutation(rows)
            keep[lane] = seat.improved
        self._lanes, self._best, epoch = self._program.epoch(
            self._lanes, self._best, tf.constant(keep), self._settings(), tf.constant(order), self._data
        )
        columns = self._columns(epoch)
        reports, diverged = [], {}
        for lane, seat in self._taken():
            entry = {name: float(column[lane]) for name, column in columns.items()}
            error = _finite(entry, len(seat.entries) + 1)
            if error is not None:
                diverged[lane] = error
                continue
            self._follow(seat, entry)
            reports.append(EpochReport(seat.job.number, len(seat.entries), entry))
        ending = trials.epoch(reports)
        for lane, seat in list(self._taken()):
            if lane in diverged:
                outcome: Trained | Exception = diverged[lane]
            elif seat.ended or seat.job.number in ending:
                outcome = self._finish(lane, seat)
            else:
                continue
            self._seats[lane] = None
            trials.done(seat.job.number, outcome)

    def _settings(self) -> Settings:
        columns = np.zeros((4, len(self._seats)), dtype=np.float32)
        seeds = np.zeros(len(self._seats), dtype=np.uint32)
        for lane, seat in self._taken():
            hyper = seat.job.hyperparameters
            reg = hyper.regularization
            columns[:, lane] = reg.l1, reg.l2, reg.dropout, hyper.learning_rate
            seeds[lane] = seat.job.seed
        l1, l2, dropout, learning_rate = map(tf.constant, columns)
        return Settings(l1, l2, dropout, learning_rate, tf.constant(seeds))

    def _columns(self, epoch: Any) -> dict[str, npt.NDArray[Any]]:
        loss, penalty, validation = (a.numpy() for a in (epoch.data_loss, epoch.penalty, epoch.validation_loss))
        measured = by_lane(
            self._prepared.task,
            self._prepared.validation.y,
            epoch.predictions.numpy(),
            float(self._prepared.target_scaling.deviation),
        )
        return {
            "loss": loss,
            "penalized_loss": loss + penalty,
            "val_loss": validation,
            "val_penalized_loss": validation + penalty,
        } | {f"val_{name}": column for name, column in measured.items()}

    def _follow(self, seat: _Seat, entry: dict[str, float]) -> None:
        epoch = len(seat.entries)
        seat.entries.append(entry)
        stopping = seat.job.spec.early_stopping
        seat.watch = seat.rule.watch(seat.watch, epoch, entry[stopping.monitor])
        seat.improved = stopping.restore_best_weights and seat.watch.best_epoch == epoch

    def _finish(self, lane: int, seat: _Seat) -> Trained:
        restore = seat.job.spec.early_stopping.restore_best_weights and seat.watch.best_epoch is not None
        # The next epoch's call keeps the best weights; after an improving last epoch they are still in the lane.
        stacked = self._best if restore and not seat.improved else self._lanes.lane
        kept = Lane(*([array[lane].numpy() for array in arrays] for arrays in stacked))
        best = seat.watch.best_epoch if restore and seat.watch.best_epoch is not None else len(seat.entries) - 1
        curve: dict[str, list[float]] = {"epoch": [float(i + 1) for i in range(len(seat.entries))]}
        curve |= {name: [entry[name] for entry in seat.entries] for name in seat.entries[0]}
        result = TrialResult(
            metrics=self._measured(seat.job, kept, self._prepared.train, "train_")
            | self._measured(seat.job, kept, self._prepared.validation, "val_"),
            weights=weights.summarize([kept.weights[i] for i in self._program.regularized]),
            curve=curve,
            epochs=len(seat.entries),
            best_epoch=best + 1,
            stopped_early=seat.watch.stopped,
        )
        return Trained(result, lambda path: self._save(seat.job, kept, path))

    def _measured(self, job: Job, lane: Lane, part: Part, prefix: str) -> dict[str, float]:
        loss, predictions = self._program.measure(lane, part.x, part.y)
        penalty = sum(job.hyperparameters.regularization.penalty(lane.weights[i]) for i in self._program.regularized)
        mean = float(loss) / len(part.y)
        found = {"loss": mean, "penalized_loss": mean + penalty}
        deviation = float(self._prepared.target_scaling.deviation)
        found |= task_metrics(self._prepared.task, part.y, predictions.numpy(), deviation)
        return {prefix + name: value for name, value in found.items()}

    def _save(self, job: Job, kept: Lane, path: Path) -> None:
        """Write the trial's weights as the plain Keras model that a user would have built."""
        key: ProgramKey = self._program.key
        model = plain_model(key, job)
        for variables, values in ((model.trainable_weights, kept.weights), (model.non_trainable_weights, kept.state)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        # Keras cannot load a compiled model whose optimizer was never built.
        model.optimizer.build(model.trainable_variables)
        model.save(path)


def plain_model(key: ProgramKey, job: Job) -> Any:
    """The compiled Keras model of one trial, without knobs."""
    from studies.training.fit import compiled

    regularization = job.hyperparameters.regularization
    architecture = design(key.model, key.input_shape, key.task, key.classes, regularization)
    return compiled(architecture, key.optimizer, job.hyperparameters.learning_rate)


def _seated(job: Job) -> _Seat:
    stopping = job.spec.early_stopping
    rule = EarlyStopping(
        patience=job.hyperparameters.patience,
        min_delta=stopping.min_delta,
        start_from_epoch=stopping.start_from_epoch,
        direction=OBJECTIVES[stopping.monitor].direction,
    )
    return _Seat(job, np.random.default_rng([job.seed, 1]), rule)


def _finite(entry: dict[str, float], epoch: int) -> DivergedError | None:
    for name in ("penalized_loss", "val_loss"):
        if not math.isfinite(entry[name]):
            return DivergedError.of(name, entry[name], epoch)
    return None
