"""Trials: their results, attempts, curves and weights."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from service.storage.states import Ending, TrialState
from studies.frozen_model import AtMost, FrozenModel
from studies.spec.sampler import MAX_PARAMS


class TrialView(BaseModel):
    """A trial."""

    number: int
    state: TrialState
    value: float | None = Field(description="Of the first objective; for a pruned trial, its last intermediate value.")
    values: list[float] | None
    params: dict[str, Any] = Field(description="Null where the regularizer gives a parameter no effect.")
    metrics: dict[str, float | None] = Field(description="Of the kept weights; null where undefined.")
    weights: dict[str, int | float | None] = Field(description="Zeros and norms of all regularized kernels.")
    epochs: int | None = Field(description="Epochs trained.")
    best_epoch: int | None = Field(description="Epoch of the kept weights, counted from 1.")
    stopped_early: bool | None = Field(description="Whether early stopping ended the training.")
    cut: bool = Field(
        False,
        description="Whether the study's end cut it: complete, with the value of its epochs so far; see `reason`.",
    )
    reason: str | None = Field(description="Why it was pruned, failed or was cut.")
    attempt: int = Field(
        description="Number of the current attempt, from 1; above 1 when an earlier one was lost, see …/attempts."
    )
    enqueued: dict[str, Any] | None = Field(description="Params that the user enqueued.")
    has_model: bool = Field(
        description="Whether its model is kept: of trials that were the best when they ended the best 5; of several "
        "objectives at most 20, spread over the Pareto front."
    )
    started_at: datetime | None
    ended_at: datetime | None


class BestTrialsView(BaseModel):
    """The best trial, or the Pareto front of several objectives."""

    objectives: list[str]
    items: list[TrialView]


class AttemptView(BaseModel):
    """One attempt at a trial."""

    attempt: int = Field(description="Counted from 1.")
    worker: str
    started_at: datetime
    ended_at: datetime | None
    ending: Ending | None = Field(
        description="told: the trial ended with it; lost: its worker gave no sign of life; hung: no epoch ended; "
        "failed: an error in training; out of memory; null while it runs."
    )
    reason: str | None = Field(description="In words, unless it ended as told.")


class TrainedOnView(BaseModel):
    """The rows that a trial's weights, curve and kept model were trained on."""

    train_rows: int = Field(description="Rows that gave gradients.")
    rows: int = Field(description="All rows of the dataset.")
    part: str = Field(description="Which rows they are, and how rows were divided, in words.")


class CurveView(BaseModel):
    """A learning curve: a list per column, with one entry per epoch."""

    number: int
    running: bool = Field(
        False,
        description="Whether the trial runs: then the curve is of the epochs so far, with `epoch` and the first "
        "objective (or `val_loss`) alone, at most 256 of them.",
    )
    epochs: int = Field(description="Number of entries.")
    curve: dict[str, list[float | None]] = Field(
        description="`loss` and `penalized_loss` are Keras' running means over the epoch's batches, dropout on; "
        "`val_…` are measured at the epoch's end. `val_loss` is without the penalty. `epoch` counts from 1."
    )


class WeightsView(BaseModel):
    """A trial's weights."""

    number: int
    all_layers: dict[str, int | float | None]
    layers: list[dict[str, int | float]] = Field(description="The regularized layers, from the input on.")
    feature_norms: dict[str, float] | None = Field(
        description="L2 norm of each input feature's weights; exactly 0 where the model does not use the feature. "
        "Null for images."
    )
    trained_on: TrainedOnView | None = Field(
        None,
        description="Which rows weights, curve and kept model were trained on: of folds the first's, in the "
        "order of time the last's, which trains on most rows. Null for trials of earlier versions.",
    )
    nonzero_features: list[str] | None = Field(
        description="Features with a weight that is not 0. One fit keeps too many; a comparison selects by stability."
    )


class WantedTrial(FrozenModel):
    """Params that a user enqueues."""

    params: Annotated[dict[str, str | float | int | None], AtMost(MAX_PARAMS)] = Field(
        description="By their names in the search space; the sampler chooses those that are missing."
    )


class EnqueuedView(BaseModel):
    """The slot of the budget that the enqueued params are tried in."""

    study: str
    place: int = Field(description="Slot of the budget, counted from 0; the trial gets its number when it starts.")
    params: dict[str, Any]


class Invalidation(FrozenModel):
    """The reason to mark a trial invalid."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        "by the user", description="Shown with the trial."
    )
