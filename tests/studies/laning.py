"""Trainings in the lanes of a program with initial values and an order of rows that a test gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from studies.datasets.preprocessing import PreparedData
from studies.training.result import Job


def program_of(jobs: Sequence[Job], data: PreparedData, epochs: int) -> Any:
    """The program of a call that trains each job in a lane for so many epochs."""
    from studies.training.program import Program
    from studies.training.program_key import ProgramShape, program_key

    shape = ProgramShape(len(jobs), epochs, xla=False)
    return Program(program_key(jobs[0].spec, [data], jobs[0].hyperparameters.batch_size, shape))


def train(program: Any, jobs: Sequence[Job], data: PreparedData, drawn: Sequence[Any], order: Any) -> tuple[Any, Any]:
    """What a call leaves in the lanes, and the results of its epochs; `order` has the rows by epoch and lane."""
    import tensorflow as tf

    from studies.training.fold_arrays import place_folds, stack_folds
    from studies.training.lane_arrays import TrainingSize

    spec, epochs = jobs[0].spec, len(order)
    initial = type(drawn[0])(
        *([np.stack(values) for values in zip(*lists, strict=True)] for lists in zip(*drawn, strict=True))
    )
    carry = program.empty()
    carry = carry._replace(lanes=program.reset(carry.lanes, tf.fill([len(jobs)], True), initial))
    knobs = program.knobs(dict(enumerate(jobs)), place_folds({0: data}))
    filled = program.empty_order()
    filled[:epochs, :, : order.shape[-1]] = order
    rows, size = stack_folds([data], program.key.capacity, spec), TrainingSize.of(data.train_rows, epochs, epochs)
    carry, results = program.train(carry, tf.fill([len(jobs)], -1), knobs, tf.constant(filled), rows, size)
    return carry, tf.nest.map_structure(lambda array: array[:epochs], results)
