"""The arrays of a program of lanes: those that stack all lanes have the lane as their first axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from studies.training.fold_arrays import FoldPlace
from studies.training.result import Job
from studies.training.step import ModelValues


class Lanes(NamedTuple):
    """The training state of all lanes, stacked."""

    model: ModelValues
    slots: list[list[Any]]  # the optimizer's, by weight
    step: Any  # float32, gradient steps taken


class LaneKnobs(NamedTuple):
    """The knobs of all lanes, stacked."""

    l1: Any  # of each regularized layer's kernel
    l2: Any
    dropout: Any  # of each regularized layer
    bias: Any  # λ1 and λ2
    activity: Any  # λ1 and λ2
    learning_rate: Any  # initial
    first_validation_row: Any  # int32, of the lane's fold
    validation_rows: Any  # int32
    seed: Any  # uint32

    @classmethod
    def of(cls, jobs: Mapping[int, Job], places: Mapping[int, FoldPlace], lanes: int, layers: int) -> LaneKnobs:
        """The knobs of the jobs by lane, zeros in all other lanes; `places` says where each job's fold lies."""
        l1, l2, dropout = (np.zeros((lanes, layers), np.float32) for _ in range(3))
        bias, activity = (np.zeros((lanes, 2), np.float32) for _ in range(2))
        rate, seed = (np.zeros(lanes, kind) for kind in (np.float32, np.uint32))
        first_row, rows = (np.zeros(lanes, np.int32) for _ in range(2))
        for lane, job in jobs.items():
            reg = job.hyperparameters.regularization
            by_layer = [reg.layer(index) for index in range(layers)]
            l1[lane], l2[lane] = [layer.kernel.l1 for layer in by_layer], [layer.kernel.l2 for layer in by_layer]
            dropout[lane] = [layer.dropout for layer in by_layer]
            bias[lane], activity[lane] = (reg.bias.l1, reg.bias.l2), (reg.activity.l1, reg.activity.l2)
            rate[lane], seed[lane] = job.hyperparameters.learning_rate, job.seed
            _, first_row[lane], rows[lane] = places[job.fold]
        return cls(*map(tf.constant, (l1, l2, dropout, bias, activity, rate, first_row, rows, seed)))


class TrainingSize(NamedTuple):
    """How much the trainings of a call have to do."""

    rows: Any  # of an epoch
    epochs: Any  # of this call
    budget_epochs: Any  # of a whole training, over which its schedule runs

    @classmethod
    def of(cls, rows: int, epochs: int, budget_epochs: int) -> TrainingSize:
        """The numbers as tensors, for as Python numbers they would force another program."""
        return cls(*map(tf.constant, (rows, epochs, budget_epochs)))


class EpochRows(NamedTuple):
    """The rows of an epoch in the order in which they are trained, filled up to whole batches."""

    order: Any  # indices of training rows, by lane
    counted: Any  # 1 for those that count, else 0
    weights: Any  # 0 for those that do not count, by lane


class Epochs(NamedTuple):
    """The results of a call's epochs: every array has the epoch as its first axis and the lane as its second.

    Behind the epochs that the call had, all are zeros.
    """

    data_loss: Any  # running mean over the epoch's batches, as Keras logs it
    penalty: Any  # λ1·Σ|w| + λ2·Σw² of the regularized weights at the epoch's end
    validation_loss: Any
    predictions: Any  # on the validation rows, and behind them on rows that do not count
    ended: ModelValues  # of every lane at the epoch's end


class Carry(NamedTuple):
    """All that one call of a program hands to the next."""

    lanes: Lanes
    ended: ModelValues  # after each of the last call's epochs
    best: ModelValues  # of each lane's best epoch before the last call


def choose_by_lane(mask: Any, there: Sequence[Any], elsewhere: Sequence[Any]) -> list[Any]:
    """Arrays with the first values in the lanes of a mask and the second in all others."""
    return [tf.where(broadcast(mask, new), new, old) for new, old in zip(there, elsewhere, strict=True)]


def broadcast(by_lane: Any, stacked: Any) -> Any:
    """Shape one number a lane so that it broadcasts to an array that stacks the lanes."""
    return tf.reshape(by_lane, [-1] + [1] * (len(stacked.shape) - 1))
