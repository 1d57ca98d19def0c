"""The lanes of one program: start, train and end the trainings in them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from studies.datasets.preprocessing import PreparedData
from studies.errors import DivergedError
from studies.spec.model import starts_from_weights
from studies.spec.study import StudySpec
from studies.spec.training import EngineName
from studies.training.fold_arrays import place_folds, stack_folds
from studies.training.lane_arrays import TrainingSize
from studies.training.lane_metrics import LaneMetrics
from studies.training.program import Program
from studies.training.progress import TrainingProgress
from studies.training.result import EpochReport, Job, Trained, TrainingState, Trials, all_metrics
from studies.training.step import ModelValues
from studies.training.trial_model import build_plain_model, save_trial_model

_ENGINE: EngineName = "lanes"


def _values(variables: Sequence[Any]) -> list[Any]:
    return [np.asarray(variable) for variable in variables]


class LaneTraining:
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


class LaneGroup:
    """The lanes of one program, on the folds that train on equally many rows."""

    def __init__(self, program: Program, folds: Mapping[int, PreparedData], spec: StudySpec, epochs: int) -> None:
        self._program, self._folds, self._epochs = program, folds, epochs
        self._metrics = LaneMetrics(program, folds)
        self._places = place_folds(folds)
        rows = folds[min(folds)].train_rows  # as all of them
        self._size = TrainingSize.of(rows, epochs, spec.budget.epochs)
        self._data = stack_folds(list(folds.values()), program.key.capacity, spec)
        self._carry = program.empty()
        self._trainings: list[LaneTraining | None] = [None] * program.key.lanes
        self._knobs = program.knobs({}, self._places)
        self._order = program.empty_order()
        self._start: ModelValues | None = None  # the weights that every training starts from, if the study has any
        self._compiled = False  # whether a call has ended, so that the next one compiles nothing
        #: The epoch, within the last call, that is each lane's best so far; −1 for an earlier one.
        self._keep = np.full(program.key.lanes, -1, dtype=np.int32)

    @property
    def free(self) -> int:
        """Number of lanes that hold no training."""
        return self._trainings.count(None)

    @property
    def busy(self) -> bool:
        """True when a lane holds a training."""
        return self.free < len(self._trainings)

    def _running(self) -> Iterator[tuple[int, LaneTraining]]:
        return ((lane, training) for lane, training in enumerate(self._trainings) if training is not None)

    def start(self, jobs: Sequence[Job]) -> None:
        """Start or resume trainings in free lanes, of which there must be enough."""
        free = [lane for lane, training in enumerate(self._trainings) if training is None]
        job_of = dict(zip(free[: len(jobs)], jobs, strict=True))
        lanes = self._carry.lanes
        if self._start is None and starts_from_weights(jobs[0].spec.model):
            model = build_plain_model(jobs[0], self._folds[jobs[0].fold])
            self._start = ModelValues(*map(_values, (model.trainable_weights, model.non_trainable_weights)))
        initial = ModelValues(*([np.zeros(array.shape, np.float32) for array in arrays] for arrays in lanes.model))
        states: dict[int, TrainingState] = {}
        for lane, job in job_of.items():
            self._trainings[lane] = training = LaneTraining(job)
            if job.state is not None and self._fits(job.state):
                states[lane] = job.state
                training.resume(job.state.facts)
            self._keep[lane] = -1
            drawn = self._start or self._program.initial(job.seed)
            for stack, values in zip((*initial.weights, *initial.state), (*drawn.weights, *drawn.state), strict=True):
                stack[lane] = values
        self._carry = self._carry._replace(lanes=self._program.reset(lanes, self._mask(job_of), initial))
        if states:
            self._restore({lane: state.arrays for lane, state in states.items()})
        running = {lane: training.job for lane, training in self._running()}
        self._knobs = self._program.knobs(running, self._places)

    def _mask(self, lanes: Mapping[int, object]) -> Any:
        return tf.constant(np.isin(np.arange(len(self._trainings)), list(lanes)))

    def _fits(self, state: TrainingState) -> bool:
        """True when a state comes from a lane of an equal program."""
        if state.engine != _ENGINE:
            return False
        stacks = tf.nest.flatten((self._carry.lanes, self._carry.best))
        return [array.shape for array in state.arrays] == [tuple(stack.shape[1:]) for stack in stacks]

    def _restore(self, arrays: Mapping[int, Sequence[Any]]) -> None:
        """Put the arrays of training states into their lanes."""
        structure = self._carry.lanes, self._carry.best
        stacks = [np.zeros(array.shape, np.float32) for array in tf.nest.flatten(structure)]
        for lane, values in arrays.items():
            for stack, value in zip(stacks, values, strict=True):
                stack[lane] = value
        lanes, best = tf.nest.pack_sequence_as(structure, stacks)
        self._carry = self._program.restore(self._carry, self._mask(arrays), lanes, best)

    def _state(self, lane: int, training: LaneTraining) -> TrainingState:
        """The state of a training after the last epoch of the last call."""
        best = self._kept_values(lane, training.progress, self._epochs - 1)
        now = [array.numpy()[lane].copy() for array in tf.nest.flatten(self._carry.lanes)]
        return TrainingState(_ENGINE, training.facts(), [*now, *tf.nest.flatten(best)])

    def train(self, trials: Trials) -> None:
        """Train every lane for the epochs of a call; trainings that end leave their lanes."""
        for lane, training in self._running():
            first = self._places[training.job.fold].first_train_row
            rows = self._folds[training.job.fold].train_rows
            for epoch in range(self._epochs):
                self._order[epoch, lane, :rows] = first + training.order.permutation(rows)
        arguments = tf.constant(self._keep), self._knobs, tf.constant(self._order), self._data, self._size
        begun = time.perf_counter()
        self._carry, epochs = self._program.train(self._carry, *arguments)
        self._keep[:] = -1
        folds = {lane: training.job.fold for lane, training in self._running()}
        entries_by_epoch = self._metrics.entries(epochs, self._epochs, folds)
        share = (time.perf_counter() - begun) / (self._epochs * len(folds))  # of a training and epoch
        seconds = share if self._compiled else None
        self._compiled = True
        for epoch, entries in enumerate(entries_by_epoch):
            self._record(epoch, entries, seconds, trials)

    def _record(
        self, epoch: int, entries: Sequence[Mapping[str, float]], seconds: float | None, trials: Trials
    ) -> None:
        """Record one epoch of the last call in each training; end those that it ends."""
        reports: list[EpochReport] = []
        diverged: dict[int, DivergedError] = {}
        for lane, training in self._running():
            progress = training.progress
            try:
                progress.record(entries[lane], seconds)
            except DivergedError as error:
                diverged[lane] = error
                continue
            if progress.is_best:
                self._keep[lane] = epoch
            # Between the epochs of a call the optimizer's state is not kept; an ended training is not resumed.
            between = epoch < self._epochs - 1
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

    def _finish(self, lane: int, training: LaneTraining, epoch: int) -> Trained:
        """The result of a training that ends with this epoch of the last call."""
        job, progress, data = training.job, training.progress, self._folds[training.job.fold]
        values = self._kept_values(lane, progress, epoch)
        validation = {name: value for name, value in progress.kept_entry.items() if name.startswith("val_")}
        metrics = all_metrics(self._metrics.evaluate(values, job, data.train, "train_"), validation)
        if job.measures_test:
            metrics |= self._metrics.evaluate(values, job, data.test(), "test_")
        result = progress.result(metrics, self._program.update.by_layer(values), data.input_shape)
        return Trained(result, lambda path: self._save(job, values, path))

    def _kept_values(self, lane: int, progress: TrainingProgress, epoch: int) -> ModelValues:
        """The values that a training keeps, whose last epoch so far is this one of the last call."""
        kept = epoch - (len(progress.entries) - 1 - progress.kept_epoch)  # within the last call, or before if negative
        stacks, index = (self._carry.best, (lane,)) if kept < 0 else (self._carry.ended, (kept, lane))
        # Whole arrays: slicing in TensorFlow takes longer than copying them.
        return ModelValues(*([array.numpy()[index].copy() for array in arrays] for arrays in stacks))

    def _save(self, job: Job, kept: ModelValues, path: Path) -> None:
        data = self._folds[job.fold]
        model = build_plain_model(job, data)
        for variables, values in ((model.trainable_weights, kept.weights), (model.non_trainable_weights, kept.state)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        save_trial_model(model, job, data, path)
