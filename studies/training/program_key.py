"""The key of a compiled program: all that forces another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

from studies.datasets.preprocessing import PreparedData
from studies.models.size import count_parameters
from studies.objectives import Task
from studies.regularization import L1Mode, LayerRegularization, Penalty, Regularization
from studies.spec.model import KerasSpec, ModelSpec
from studies.spec.optimizer import OptimizerSpec, ScheduleSpec
from studies.spec.study import StudySpec

MAX_EPOCHS_A_CALL = 8  # a trial that ends within a call has trained the rest of it for nothing
_MAX_CALL_BYTES = 1 << 24  # of a call's orders of rows, and of the weights after each of its epochs
_MIN_ROWS = 512
_MAX_PADDED_BYTES = 1 << 26  # of rows that are rounded up to a power of two
_MAX_PADDING = 0.25  # of an epoch's rows that may be padding
_MAX_PASS_ROWS = 1024  # validation rows evaluated at once in every lane; bounds memory
#: Any penalty: knobs replace it.
_KNOBBED = Penalty("elastic_net", lambda_=1.0, l1_ratio=0.5)


@dataclass(frozen=True, slots=True)
class ProgramShape:
    """How a program is run, which is free to choose: results of different shapes differ by rounding only."""

    lanes: int
    epochs: int  # a call
    xla: bool

    def __str__(self) -> str:
        return f"{self.lanes} lanes, {self.epochs} epochs a call, {'with' if self.xla else 'without'} XLA"


@dataclass(frozen=True, slots=True)
class Capacity:
    """The rows that a program holds at most, in sizes that many datasets share, so that they share its programs."""

    train_rows: int  # of all folds
    steps: int  # of an epoch
    batch_size: int
    last_batch_size: int  # where padding the last batch to the size of the others would cost much; else 0
    validation_rows: int  # of all folds
    passes: int  # over the validation rows of one fold
    pass_rows: int

    @classmethod
    def of(cls, folds: Sequence[PreparedData], batch_size: int) -> Self:
        """The capacity for folds that train on equally many rows."""
        rows, validation = folds[0].train_rows, [len(fold.rows.validation) for fold in folds]
        row_bytes = 4 * prod(folds[0].input_shape)
        size = min(batch_size, _power_of_two(rows))
        last = rows % size
        padded = last > 0 and size - last <= _MAX_PADDING * rows
        train_rows = _round_up(len(folds) * rows, row_bytes)
        # Half of what trains holds what validates, most often: two sizes that change together are one program.
        of_fold = max(_round_up(max(validation), row_bytes), _round_up(rows, row_bytes) // 2)
        pass_rows = min(max(_MIN_ROWS, of_fold) // 4, _MAX_PASS_ROWS)
        return cls(
            train_rows=train_rows,
            steps=-(-_round_up(rows, row_bytes) // size),
            batch_size=size,
            last_batch_size=0 if padded or not last else min(size, -(-8 * last // size) * -(-size // 8)),
            validation_rows=max(_round_up(sum(validation), row_bytes), train_rows // 2),
            passes=-(-of_fold // pass_rows),
            pass_rows=pass_rows,
        )


def _power_of_two(rows: int) -> int:
    return 1 << (rows - 1).bit_length()


def _round_up(rows: int, row_bytes: int) -> int:
    """Round rows up to a power of two, or to an eighth of one where that would take much memory."""
    power = max(_MIN_ROWS, _power_of_two(rows))
    step = power if power * row_bytes <= _MAX_PADDED_BYTES else power // 16
    return -(-rows // step) * step


@dataclass(frozen=True)
class ProgramKey:
    """All that a program is compiled for."""

    model: ModelSpec
    optimizer: OptimizerSpec
    schedule: ScheduleSpec
    task: Task
    classes: int
    input_shape: tuple[int, ...]
    capacity: Capacity
    lanes: int
    max_epochs: int  # a call
    xla: bool
    l1_mode: L1Mode
    bias: bool  # whether any trial regularizes biases
    activity: bool  # whether any trial regularizes the layers' outputs

    @property
    def regularization(self) -> Regularization:
        """A regularization that gives the layers every knob a trial may use.

        In place of its dropout rate each hidden layer has its number, by which `lane_model` finds the knob.
        """
        bias, activity = (_KNOBBED if used else Penalty() for used in (self.bias, self.activity))
        layers = tuple(LayerRegularization(_KNOBBED, dropout=n) for n in range(self.model.regularized_layers))
        return Regularization(layers, bias=bias, activity=activity)


def program_key(spec: StudySpec, folds: Sequence[PreparedData], batch_size: int, shape: ProgramShape) -> ProgramKey:
    """The key of a study's program for one batch size and folds that train on equally many rows."""
    data, capacity = folds[0], Capacity.of(folds, batch_size)
    by_epoch = 4 * shape.lanes * (count_parameters(spec) + capacity.steps * capacity.batch_size)
    model = spec.model.model_copy(update={"weights": None}) if isinstance(spec.model, KerasSpec) else spec.model
    return ProgramKey(
        model=model,  # whatever weights its trainings start from
        optimizer=spec.training.optimizer,
        schedule=spec.training.schedule,
        task=data.task,
        classes=data.classes,
        input_shape=data.input_shape,
        capacity=capacity,
        lanes=shape.lanes,
        # More epochs than the call has take memory, and spare another program where that is little.
        max_epochs=max(shape.epochs, MAX_EPOCHS_A_CALL if by_epoch * MAX_EPOCHS_A_CALL <= _MAX_CALL_BYTES else 1),
        xla=shape.xla,
        l1_mode=spec.space.l1_mode,
        bias=spec.space.regularizes("bias"),
        activity=spec.space.regularizes("activity"),
    )
