"""The lane engine: trials sit in the lanes of a compiled program, and a lane that falls free is filled at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import PreparedData
from studies.errors import DivergedError
from studies.training import weights
from studies.training.fit import plain_model
from studies.training.metrics import by_lane
from studies.training.program import Data, Epochs, Program, Settings
from studies.training.result import Engine, EpochReport, Job, Trained, TrialResult, Trials
from studies.training.seat import Seat
from studies.training.step import Lane


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
                group.train(trials)

    return run


class _Group:
    """The lanes of one program and the trials that sit in them."""

    def __init__(self, program: Program, data: PreparedData) -> None:
        self._program, self._prepared = program, data
        self._data = Data(*map(tf.constant, (data.train.x, data.train.y, data.validation.x, data.validation.y)))
        self._course = program.empty()
        self._seats: list[Seat | None] = [None] * program.key.lanes
        self._settings = self._knobs()
        rows = np.arange(program.key.train_rows, dtype=np.int32)
        self._order = np.tile(rows, (program.key.epochs, program.key.lanes, 1))
        #: The epoch, within the last call, that is each lane's best so far; −1 for an earlier one.
        self._keep = np.full(program.key.lanes, -1, dtype=np.int32)

    @property
    def free(self) -> int:
        """Lanes that hold no trial."""
        return self._seats.count(None)

    @property
    def busy(self) -> bool:
        """Whether a lane holds a trial."""
        return self.free < len(self._seats)

    def _taken(self) -> Iterator[tuple[int, Seat]]:
        return ((lane, seat) for lane, seat in enumerate(self._seats) if seat is not None)

    def seat(self, jobs: Sequence[Job]) -> None:
        """Put trials into free lanes; there must be enough."""
        if not jobs:
            return
        empty = [lane for lane, seat in enumerate(self._seats) if seat is None]
        chosen = dict(zip(empty[: len(jobs)], jobs, strict=True))
        lanes = self._course.lanes
        initial = Lane(*([np.zeros(array.shape, np.float32) for array in arrays] for arrays in lanes.lane))
        for lane, job in chosen.items():
            self._seats[lane] = Seat.of(job)
            self._keep[lane] = -1
            drawn = self._program.initial(job.seed)
            for stacked, values in zip((*initial.weights, *initial.state), (*drawn.weights, *drawn.state), strict=True):
                stacked[lane] = values
        fresh = np.isin(np.arange(len(self._seats)), list(chosen))
        self._course = self._course._replace(lanes=self._program.seat(lanes, tf.constant(fresh), initial))
        self._settings = self._knobs()

    def train(self, trials: Trials) -> None:
        """Train every lane for the epochs of a call; trials that end leave their lanes."""
        for lane, seat in self._taken():
            for epoch in range(self._program.key.epochs):
                self._order[epoch, lane] = seat.order.permutation(self._program.key.train_rows)
        given = tf.constant(self._keep), self._settings, tf.constant(self._order), self._data
        self._course, epochs = self._program.train(self._course, *given)
        self._keep[:] = -1
        for epoch, entries in enumerate(self._entries(epochs)):
            self._follow(epoch, entries, trials)

    def _follow(self, epoch: int, entries: Sequence[Mapping[str, float]], trials: Trials) -> None:
        """Let each trial see one epoch of the last call; those that end do not see the call's later ones."""
        reports: list[EpochReport] = []
        diverged: dict[int, DivergedError] = {}
        for lane, seat in self._taken():
            try:
                seat.follow(entries[lane])
            except DivergedError as error:
                diverged[lane] = error
                continue
            if seat.kept == len(seat.entries) - 1:
                self._keep[lane] = epoch
            reports.append(EpochReport(seat.job.number, len(seat.entries), seat.entries[-1]))
        ending = trials.epoch(reports)
        for lane, seat in list(self._taken()):
            if lane not in diverged and not seat.ended and seat.job.number not in ending:
                continue
            outcome = diverged[lane] if lane in diverged else self._finish(lane, seat, epoch)
            self._seats[lane] = None
            trials.done(seat.job.number, outcome)

    def _knobs(self) -> Settings:
        columns = np.zeros((4, len(self._seats)), dtype=np.float32)
        seeds = np.zeros(len(self._seats), dtype=np.uint32)
        for lane, seat in self._taken():
            hyper = seat.job.hyperparameters
            reg = hyper.regularization
            columns[:, lane] = reg.l1, reg.l2, reg.dropout, hyper.learning_rate
            seeds[lane] = seat.job.seed
        l1, l2, dropout, learning_rate = map(tf.constant, columns)
        return Settings(l1, l2, dropout, learning_rate, tf.constant(seeds))

    def _entries(self, epochs: Epochs) -> list[list[dict[str, float]]]:
        """What every epoch of a call gave to every lane."""
        loss, penalty, validation = (a.numpy() for a in (epochs.data_loss, epochs.penalty, epochs.validation_loss))
        predictions = epochs.predictions.numpy()
        measured = self._measured(self._prepared.validation.y, predictions.reshape(-1, *predictions.shape[2:]))
        columns = {
            "loss": loss,
            "penalized_loss": loss + penalty,
            "val_loss": validation,
            "val_penalized_loss": validation + penalty,
        } | {f"val_{name}": column.reshape(loss.shape) for name, column in measured.items()}
        rows = np.stack(list(columns.values()), axis=-1).astype(float).tolist()
        return [[dict(zip(columns, row, strict=True)) for row in lanes] for lanes in rows]

    def _measured(self, y: Any, predictions: Any) -> dict[str, Any]:
        return by_lane(self._prepared.task, y, predictions, float(self._prepared.target_scaling.deviation))

    def _finish(self, lane: int, seat: Seat, epoch: int) -> Trained:
        """The result of a trial that ends with this epoch of the last call."""
        last = len(seat.entries) - 1
        kept = last if seat.kept is None else seat.kept
        here = epoch - (last - kept)  # the kept epoch within the last call, if it is not negative
        model = self._held(lane, here)
        validation = {name: value for name, value in seat.entries[kept].items() if name.startswith("val_")}
        result = TrialResult(
            metrics=self._on_training_rows(seat.job, model) | validation,
            weights=weights.summarize([model.weights[i] for i in self._program.regularized]),
            curve=seat.curve(),
            epochs=len(seat.entries),
            best_epoch=kept + 1,
            stopped_early=seat.watch.stopped,
        )
        return Trained(result, lambda path: self._save(seat.job, model, path))

    def _held(self, lane: int, epoch: int) -> Lane:
        """What a lane held after an epoch of the last call, or, if that is negative, after its best one before."""
        held, place = (self._course.best, (lane,)) if epoch < 0 else (self._course.ended, (epoch, lane))
        # Whole arrays: slicing in TensorFlow takes longer than copying them.
        return Lane(*([array.numpy()[place].copy() for array in arrays] for arrays in held))

    def _on_training_rows(self, job: Job, model: Lane) -> dict[str, float]:
        y = self._prepared.train.y
        loss, predictions = self._program.measure(model, self._data.x, self._data.y)
        penalty = sum(job.hyperparameters.regularization.penalty(model.weights[i]) for i in self._program.regularized)
        mean = float(loss) / len(y)
        measured = {name: float(column[0]) for name, column in self._measured(y, predictions.numpy()[None]).items()}
        found = {"loss": mean, "penalized_loss": mean + penalty} | measured
        return {f"train_{name}": value for name, value in found.items()}

    def _save(self, job: Job, kept: Lane, path: Path) -> None:
        """Write the trial's weights as the plain Keras model that a user would have built."""
        model = plain_model(job, self._prepared)
        for variables, values in ((model.trainable_weights, kept.weights), (model.non_trainable_weights, kept.state)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        # Keras cannot load a compiled model whose optimizer was never built.
        model.optimizer.build(model.trainable_variables)
        model.save(path)
