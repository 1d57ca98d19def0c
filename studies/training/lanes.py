"""The lane engine: trainings sit in the lanes of a compiled program, and a lane that falls free is filled at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import Examples, PreparedData
from studies.errors import DivergedError
from studies.training.metrics import by_lane
from studies.training.program import Epochs, Program
from studies.training.progress import TrainingProgress
from studies.training.result import Engine, EpochReport, Job, Trained, TrainingState, Trials, all_metrics
from studies.training.rows import stacked
from studies.training.step import Lane
from studies.training.trial_model import build_plain_model, save_model

_ENGINE = "lanes"
_ROWS_A_PASS = 1 << 16  # rows measured at once; bounds the memory of a large part's activations

#: The program of a batch size and of folds that train on equally many rows.
ProgramOf = Callable[[int, Sequence[PreparedData]], Program]


def lane_engine(lanes: int, program: ProgramOf) -> Engine:
    """The engine over the programs that trainings need, each of so many lanes."""

    def run(data: Sequence[PreparedData], trials: Trials) -> None:
        groups: dict[tuple[int, int], _Group] = {}
        while True:
            # Whatever program the next trainings need, there is a lane for each.
            free = min((group.free for group in groups.values()), default=lanes)
            jobs = trials.next(free) if free else []
            needed: dict[tuple[int, int], list[Job]] = {}
            for job in jobs:
                needed.setdefault((job.hyperparameters.batch_size, data[job.fold].train_rows), []).append(job)
            for key, these in needed.items():
                if key not in groups:
                    size, rows = key
                    folds = {index: fold for index, fold in enumerate(data) if fold.train_rows == rows}
                    groups[key] = _Group(program(size, list(folds.values())), folds)
                groups[key].seat(these)
            busy = [group for group in groups.values() if group.busy]
            if not busy:
                return
            for group in busy:
                group.train(trials)

    return run


class _LaneTraining:
    """The training in a lane: its progress, and the generator of its data order."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.progress = TrainingProgress(job)
        self.order = np.random.default_rng([job.seed, 1])

    def facts(self) -> dict[str, Any]:
        """Progress and data order as JSON, for a checkpoint."""
        return {"order": self.order.bit_generator.state, **self.progress.facts()}

    def resume(self, facts: Mapping[str, Any]) -> None:
        """Continue from the facts of a checkpoint."""
        self.order.bit_generator.state = facts["order"]
        self.progress.resume(facts)


class _Group:
    """The lanes of one program and the trainings that sit in them."""

    def __init__(self, program: Program, folds: Mapping[int, PreparedData]) -> None:
        self._program, self._folds = program, folds
        self._places = {fold: place for place, fold in enumerate(folds)}
        self._rows = stacked(list(folds.values()), balanced=program.key.balanced)
        self._course = program.empty()
        self._trainings: list[_LaneTraining | None] = [None] * program.key.lanes
        self._settings = program.settings({}, self._places)
        rows = np.arange(program.key.train_rows, dtype=np.int32)
        self._order = np.tile(rows, (program.key.epochs, program.key.lanes, 1))
        #: The epoch, within the last call, that is each lane's best so far; −1 for an earlier one.
        self._keep = np.full(program.key.lanes, -1, dtype=np.int32)

    @property
    def free(self) -> int:
        """Lanes that hold no training."""
        return self._trainings.count(None)

    @property
    def busy(self) -> bool:
        """Whether a lane holds a training."""
        return self.free < len(self._trainings)

    def _running(self) -> Iterator[tuple[int, _LaneTraining]]:
        return ((lane, training) for lane, training in enumerate(self._trainings) if training is not None)

    def seat(self, jobs: Sequence[Job]) -> None:
        """Put trainings into free lanes; there must be enough."""
        empty = [lane for lane, training in enumerate(self._trainings) if training is None]
        chosen = dict(zip(empty[: len(jobs)], jobs, strict=True))
        lanes = self._course.lanes
        initial = Lane(*([np.zeros(array.shape, np.float32) for array in arrays] for arrays in lanes.lane))
        states: dict[int, TrainingState] = {}
        for lane, job in chosen.items():
            self._trainings[lane] = training = _LaneTraining(job)
            if job.state is not None and self._suits(job.state):
                states[lane] = job.state
                training.resume(job.state.facts)
            self._keep[lane] = -1
            drawn = self._program.initial(job.seed)
            for stack, values in zip((*initial.weights, *initial.state), (*drawn.weights, *drawn.state), strict=True):
                stack[lane] = values
        fresh = np.isin(np.arange(len(self._trainings)), list(chosen))
        self._course = self._course._replace(lanes=self._program.seat(lanes, tf.constant(fresh), initial))
        if states:
            self._restore({lane: state.arrays for lane, state in states.items()})
        running = {lane: training.job for lane, training in self._running()}
        self._settings = self._program.settings(running, self._places)

    def _suits(self, state: TrainingState) -> bool:
        """Whether a state is that of a lane of such a program."""
        if state.engine != _ENGINE:
            return False
        form = tf.nest.flatten((self._course.lanes, self._course.best))
        return [array.shape for array in state.arrays] == [tuple(array.shape[1:]) for array in form]

    def _restore(self, arrays: Mapping[int, Sequence[Any]]) -> None:
        """Put states into lanes."""
        form = self._course.lanes, self._course.best
        stacks = [np.zeros(array.shape, np.float32) for array in tf.nest.flatten(form)]
        for lane, values in arrays.items():
            for stack, value in zip(stacks, values, strict=True):
                stack[lane] = value
        chosen = tf.constant(np.isin(np.arange(len(self._trainings)), list(arrays)))
        self._course = self._program.restore(self._course, chosen, *tf.nest.pack_sequence_as(form, stacks))

    def _state(self, lane: int, training: _LaneTraining) -> TrainingState:
        """The state of a training after the last epoch of the last call."""
        best = self._kept(lane, training.progress, self._program.key.epochs - 1)
        now = [array.numpy()[lane].copy() for array in tf.nest.flatten(self._course.lanes)]
        return TrainingState(_ENGINE, training.facts(), [*now, *tf.nest.flatten(best)])

    def train(self, trials: Trials) -> None:
        """Train every lane for the epochs of a call; trainings that end leave their lanes."""
        rows = self._program.key.train_rows
        for lane, training in self._running():
            first = self._places[training.job.fold] * rows
            for epoch in range(self._program.key.epochs):
                self._order[epoch, lane] = first + training.order.permutation(rows)
        given = tf.constant(self._keep), self._settings, tf.constant(self._order), self._rows
        self._course, epochs = self._program.train(self._course, *given)
        self._keep[:] = -1
        for epoch, entries in enumerate(self._entries(epochs)):
            self._follow(epoch, entries, trials)

    def _follow(self, epoch: int, entries: Sequence[Mapping[str, float]], trials: Trials) -> None:
        """Let each training see one epoch of the last call; those that end do not see the call's later ones."""
        reports: list[EpochReport] = []
        diverged: dict[int, DivergedError] = {}
        for lane, training in self._running():
            progress = training.progress
            try:
                progress.record(entries[lane])
            except DivergedError as error:
                diverged[lane] = error
                continue
            if progress.is_best:
                self._keep[lane] = epoch
            # Between the epochs of a call nothing holds the optimizer's state; an ended training is not gone on with.
            between = epoch < self._program.key.epochs - 1
            state = None if between or progress.ended else partial(self._state, lane, training)
            number, fold, recorded = training.job.number, training.job.fold, progress.entries
            reports.append(EpochReport(number, len(recorded), recorded[-1], fold, state, may_stop=not between))
        ending = trials.epoch(reports)
        for lane, training in list(self._running()):
            if lane not in diverged and not training.progress.ended and training.job.number not in ending:
                continue
            outcome = diverged[lane] if lane in diverged else self._finish(lane, training, epoch)
            self._trainings[lane] = None
            trials.done(training.job, outcome)

    def _entries(self, epochs: Epochs) -> list[list[dict[str, float]]]:
        """What every epoch of a call gave to every lane."""
        loss, penalty, validation = (a.numpy() for a in (epochs.data_loss, epochs.penalty, epochs.validation_loss))
        columns = {
            "loss": loss,
            "penalized_loss": loss + penalty,
            "val_loss": validation,
            "val_penalized_loss": validation + penalty,
        } | self._validation_metrics(epochs.predictions.numpy())
        rows = np.stack(list(columns.values()), axis=-1).astype(float).tolist()
        return [[dict(zip(columns, row, strict=True)) for row in lanes] for lanes in rows]

    def _validation_metrics(self, predictions: Any) -> dict[str, Any]:
        """The task's metrics, by epoch and lane, each lane's on its own fold; those of empty lanes mean nothing."""
        lanes_of: dict[int, list[int]] = {}
        for lane, training in self._running():
            lanes_of.setdefault(training.job.fold, []).append(lane)
        found: dict[str, Any] = {}
        for fold, lanes in lanes_of.items():
            data = self._folds[fold]
            chosen = predictions[:, lanes, : len(data.validation.y)]
            measures = _measures(data, data.validation, chosen.reshape(-1, *chosen.shape[2:]))
            for name, column in measures.items():
                full = found.setdefault(f"val_{name}", np.zeros(predictions.shape[:2]))
                full[:, lanes] = column.reshape(len(predictions), len(lanes))
        return found

    def _finish(self, lane: int, training: _LaneTraining, epoch: int) -> Trained:
        """The result of a training that ends with this epoch of the last call."""
        job, progress = training.job, training.progress
        model, data = self._kept(lane, progress, epoch), self._folds[job.fold]
        entry = progress.entries[progress.kept_epoch]
        validation = {name: value for name, value in entry.items() if name.startswith("val_")}
        metrics = all_metrics(self._on(data, data.train, job, model, "train_"), validation)
        if job.measures_test:
            metrics |= self._on(data, data.test(), job, model, "test_")
        result = progress.result(metrics, self._program.by_layer(model), data.input_shape)
        return Trained(result, lambda path: self._save(job, model, path))

    def _kept(self, lane: int, progress: TrainingProgress, epoch: int) -> Lane:
        """The weights that a training keeps, whose last epoch is this one of the last call."""
        last = len(progress.entries) - 1
        return self._held(lane, epoch - (last - progress.kept_epoch))

    def _held(self, lane: int, epoch: int) -> Lane:
        """What a lane held after an epoch of the last call, or, if that is negative, after its best one before."""
        held, place = (self._course.best, (lane,)) if epoch < 0 else (self._course.ended, (epoch, lane))
        # Whole arrays: slicing in TensorFlow takes longer than copying them.
        return Lane(*([array.numpy()[place].copy() for array in arrays] for arrays in held))

    def _on(self, data: PreparedData, part: Examples, job: Job, model: Lane, prefix: str) -> dict[str, float]:
        """Losses and metrics of a model on a part of its data."""
        starts = range(0, len(part.y), _ROWS_A_PASS)
        passes = [slice(start, start + _ROWS_A_PASS) for start in starts]
        found_by_pass = [self._program.measure(model, part.x[rows], part.y[rows]) for rows in passes]
        predictions = np.concatenate([predicted.numpy() for _, predicted in found_by_pass])
        reg = job.hyperparameters.regularization
        mean = sum(float(loss) for loss, _ in found_by_pass) / len(part.y)
        penalty = sum(reg.layer(i).kernel.of(model.weights[p]) for p, i in self._program.kernels.items())
        penalty += sum(reg.bias.of(model.weights[p]) for p in self._program.biases)
        measures = _measures(data, part, predictions[None])
        found = {"loss": mean, "penalized_loss": mean + penalty}
        found |= {name: float(column[0]) for name, column in measures.items()}
        return {prefix + name: value for name, value in found.items()}

    def _save(self, job: Job, kept: Lane, path: Path) -> None:
        model = build_plain_model(job, self._folds[job.fold])
        for variables, values in ((model.trainable_weights, kept.weights), (model.non_trainable_weights, kept.state)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        save_model(model, path)


def _measures(data: PreparedData, part: Examples, predictions: Any) -> dict[str, Any]:
    return by_lane(data.task, part.y, predictions, float(data.target_scaling.deviation))
