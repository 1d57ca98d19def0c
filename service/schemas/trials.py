"""Trials: their results, attempts, curves and weights."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.storage.states import Ending, TrialState


class TrialView(BaseModel):
    """A trial."""

    number: int
    state: TrialState
    value: float | None = Field(description="Of the first objective; a pruned trial's is its last intermediate value.")
    values: list[float] | None
    params: dict[str, Any] = Field(description="Null where the regularizer gives a parameter no effect.")
    metrics: dict[str, float | None] = Field(description="Of the weights that were kept; null where undefined.")
    weights: dict[str, int | float | None] = Field(description="Zeros and norms of all regularized kernels.")
    epochs: int | None = Field(description="Epochs trained.")
    best_epoch: int | None = Field(description="Epoch whose weights were kept, counted from 1.")
    stopped_early: bool | None = Field(description="Whether early stopping ended the training.")
    reason: str | None = Field(description="Why it was pruned or failed.")
    attempt: int = Field(description="Which attempt this is; above 1 when one was lost, see …/attempts.")
    enqueued: dict[str, Any] | None = Field(description="Params that the user had asked for.")
    has_model: bool = Field(description="Whether its model was kept, as that of every best trial so far is.")
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
        description="told: it ended as it should; lost: its worker gave no sign of life; hung: no epoch ended; failed; "
        "out of memory; null while it runs."
    )
    reason: str | None = Field(description="In words, when it was not told.")


class CurveView(BaseModel):
    """A learning curve: one list a column, one entry an epoch."""

    number: int
    epochs: int
    curve: dict[str, list[float | None]] = Field(
        description="`loss` and `penalized_loss` are Keras' running means over the epoch's batches, dropout on; "
        "`val_…` are measured at the epoch's end. `val_loss` is without the penalty. `epoch` counts from 1."
    )


class WeightsView(BaseModel):
    """A trial's weights."""

    number: int
    all_layers: dict[str, int | float | None]
    layers: list[dict[str, int | float]] = Field(description="The regularized layers from the input on.")
    feature_norms: dict[str, float] | None = Field(
        description="L2 norm of each input feature's weights; exactly 0 where the model does not look at the feature. "
        "Null for images."
    )
    nonzero_features: list[str] | None = Field(
        description="Features with a weight that is not 0. One fit keeps too many: a comparison selects by stability."
    )


class WantedTrial(BaseModel):
    """Params that a user wants tried."""

    model_config = ConfigDict(extra="forbid")

    params: dict[str, str | float | int | None] = Field(
        description="By the names under which they are searched; the sampler gives those that are missing."
    )


class EnqueuedView(BaseModel):
    """A place of the budget whose params a user has given."""

    study: str
    place: int = Field(description="In the budget, counted from 0; the trial's number is given when it starts.")
    params: dict[str, Any]


class Invalidation(BaseModel):
    """Why a trial does not count."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        "by the user", description="Shown with the trial."
    )
