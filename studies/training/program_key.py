"""The key of a compiled program: all that forces another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.datasets.preprocessing import PreparedData
from studies.objectives import Task
from studies.regularization import L1Mode, LayerRegularization, Penalty, Regularization
from studies.spec.model import ModelSpec
from studies.spec.optimizer import ConstantSpec, OptimizerSpec, ScheduleSpec
from studies.spec.study import StudySpec

#: Any penalty and rate: knobs replace them.
_KNOBBED = LayerRegularization(Penalty("elastic_net", lambda_=1.0, l1_ratio=0.5), dropout=0.5)


@dataclass(frozen=True, slots=True)
class ProgramShape:
    """The part of a program's key that is free to choose: results of different shapes differ by rounding only."""

    lanes: int
    epochs: int  # a call
    xla: bool

    def __str__(self) -> str:
        return f"{self.lanes} lanes, {self.epochs} epochs a call, {'with' if self.xla else 'without'} XLA"


@dataclass(frozen=True)
class ProgramKey:
    """All that a program is compiled for."""

    model: ModelSpec
    optimizer: OptimizerSpec
    schedule: ScheduleSpec
    budget_epochs: int  # over which a schedule runs; 0 where it does not matter
    task: Task
    classes: int
    input_shape: tuple[int, ...]
    train_rows: int  # of each fold
    validation_rows: int  # of the largest fold
    folds: int  # to train on, each lane on one
    batch_size: int
    lanes: int
    epochs: int  # a call
    xla: bool
    l1_mode: L1Mode
    bias: bool  # whether any trial regularizes biases
    activity: bool  # whether any trial regularizes the layers' outputs
    balanced: bool  # whether classes are weighted

    @property
    def regularization(self) -> Regularization:
        """A regularization that gives the layers every knob a trial may use."""
        bias, activity = (_KNOBBED.kernel if used else Penalty() for used in (self.bias, self.activity))
        return Regularization((_KNOBBED,), bias=bias, activity=activity)


def program_key(spec: StudySpec, folds: Sequence[PreparedData], batch_size: int, shape: ProgramShape) -> ProgramKey:
    """The key of a study's program for one batch size and folds that train on equally many rows."""
    constant = isinstance(spec.training.schedule, ConstantSpec)
    data = folds[0]
    return ProgramKey(
        model=spec.model,
        optimizer=spec.training.optimizer,
        schedule=spec.training.schedule,
        budget_epochs=0 if constant else spec.budget.epochs,
        task=data.task,
        classes=data.classes,
        input_shape=data.input_shape,
        train_rows=data.train_rows,
        validation_rows=max(len(fold.rows.validation) for fold in folds),
        folds=len(folds),
        batch_size=batch_size,
        lanes=shape.lanes,
        epochs=shape.epochs,
        xla=shape.xla,
        l1_mode=spec.space.l1_mode,
        bias=spec.space.regularizes("bias"),
        activity=spec.space.regularizes("activity"),
        balanced=spec.training.class_weights == "balanced",
    )
