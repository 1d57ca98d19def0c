"""The training of a study's trials, and its early stopping."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from studies.frozen_model import FrozenModel, IsNumber
from studies.objectives import MonitorName
from studies.spec.optimizer import AdamSpec, ConstantSpec, OptimizerSpec, ScheduleSpec

EngineName = Literal["lanes", "fit"]
#: Lanes and workers of a reproducible study that names none, for neither the machine nor the fleet must choose them.
REPRODUCIBLE_LANES, REPRODUCIBLE_WORKERS = 8, 2


class EarlyStoppingSpec(FrozenModel):
    """Ends a training before its epochs are used up, as keras.callbacks.EarlyStopping; patience is searched."""

    monitor: MonitorName = Field("val_loss", description="What must improve; val_loss is without the penalty.")
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False), IsNumber] = Field(
        0.0, description="Least change that counts as an improvement, in the monitor's unit."
    )
    start_from_epoch: Annotated[int, Field(ge=0, le=100_000, strict=True)] = Field(
        0, description="Epochs at the start that are not watched."
    )
    restore_best_weights: StrictBool = Field(
        True, description="Judge and keep the best epoch's weights, not the last's."
    )


class Training(FrozenModel):
    """The training of trials."""

    engine: Literal["auto", EngineName] = Field(
        "auto",
        description="lanes trains many trials in one compiled program, fit one after another by keras.Model.fit; auto "
        "takes lanes where they can hold the study.",
    )
    lanes: Annotated[int, Field(ge=1, le=1024, strict=True)] | None = Field(
        None, description="Lanes of a worker's program; chosen when left out."
    )
    optimizer: OptimizerSpec = Field(
        default_factory=AdamSpec, description="Keras' optimizer; its learning rate is searched or fixed in `space`."
    )
    schedule: ScheduleSpec = Field(
        default_factory=ConstantSpec, description="How the learning rate goes on from its initial value."
    )
    seeds: Literal["common", "own"] = Field(
        "common",
        description="common: all trials have the same initial weights, order of rows and dropout noise, so that they "
        "differ by their params alone; own: each trial has its own, so that params tried again give another value.",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="balanced: a training row counts as much as its class is rare, so that all classes count the same; "
        "what is measured is not weighted.",
    )
