"""The optimizer of a study and its learning rate's schedule, with Keras' own names, options and defaults.

The initial learning rate is part of the space.
"""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from studies.frozen_model import FrozenModel, IsNumber

Decay = Annotated[float, Field(ge=0, lt=1), IsNumber]
Epsilon = Annotated[float, Field(gt=0), IsNumber]


class AdamSpec(FrozenModel):
    """keras.optimizers.Adam."""

    name: Literal["adam"] = Field("adam", description="Which optimizer.")
    beta_1: Decay = Field(0.9, description="Decay of the gradient's mean.")
    beta_2: Decay = Field(0.999, description="Decay of the gradient's square.")
    epsilon: Epsilon = Field(1e-7, description="Keeps the denominator from 0.")


class AdamWSpec(FrozenModel):
    """keras.optimizers.AdamW: Adam with decoupled weight decay."""

    name: Literal["adamw"] = Field(description="Which optimizer.")
    weight_decay: Annotated[float, Field(ge=0), IsNumber] = Field(
        0.004, description="Share of a weight, times the rate, a step."
    )
    beta_1: Decay = Field(0.9, description="Decay of the gradient's mean.")
    beta_2: Decay = Field(0.999, description="Decay of the gradient's square.")
    epsilon: Epsilon = Field(1e-7, description="Keeps the denominator from 0.")


class SgdSpec(FrozenModel):
    """keras.optimizers.SGD."""

    name: Literal["sgd"] = Field(description="Which optimizer.")
    momentum: Annotated[float, Field(ge=0, le=1), IsNumber] = Field(
        0.0, description="Share of the last move that goes on."
    )
    nesterov: StrictBool = Field(False, description="Look ahead along the momentum.")


class RmspropSpec(FrozenModel):
    """keras.optimizers.RMSprop."""

    name: Literal["rmsprop"] = Field(description="Which optimizer.")
    rho: Decay = Field(0.9, description="Decay of the gradient's square.")
    momentum: Decay = Field(0.0, description="Share of the last move that goes on.")
    epsilon: Epsilon = Field(1e-7, description="Keeps the denominator from 0.")


OptimizerSpec = Annotated[AdamSpec | AdamWSpec | SgdSpec | RmspropSpec, Field(discriminator="name")]


class ConstantSpec(FrozenModel):
    """The learning rate stays as it is."""

    name: Literal["constant"] = Field("constant", description="Which schedule.")


class CosineSpec(FrozenModel):
    """keras.optimizers.schedules.CosineDecay over all epochs of the budget."""

    name: Literal["cosine"] = Field(description="Which schedule.")
    alpha: Annotated[float, Field(ge=0, le=1), IsNumber] = Field(
        0.0, description="Share of the learning rate that is left."
    )


class ExponentialSpec(FrozenModel):
    """keras.optimizers.schedules.ExponentialDecay, a little with every step."""

    name: Literal["exponential"] = Field(description="Which schedule.")
    decay_rate: Annotated[float, Field(gt=0, le=1), IsNumber] = Field(
        0.96, description="What an epoch multiplies the rate by."
    )


ScheduleSpec = Annotated[ConstantSpec | CosineSpec | ExponentialSpec, Field(discriminator="name")]
