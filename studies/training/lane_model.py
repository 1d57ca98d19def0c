"""The Keras model inside a program of lanes: layers that lanes hold in place of Keras' own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from studies.models.architecture import Architecture
from studies.training.attention import ATTENTION_LAYERS
from studies.training.batch_normalization import LaneBatchNormalization
from studies.training.embedding import LOOKUP_LAYERS
from studies.training.knobs import KnobRegularizer
from studies.training.noise import (
    KnobAlphaDropout,
    KnobDropout,
    KnobGaussianDropout,
    KnobSpatialDropout,
    LaneGaussianNoise,
)
from studies.training.patches import LANE_LAYERS
from studies.training.recurrence import RECURRENT_LAYERS
from studies.training.transposed import TRANSPOSED_LAYERS
from studies.training.upsampling import UPSAMPLING_LAYERS


def lane_model(architecture: Architecture) -> keras.Model:
    """Build the model of an architecture with knobs in place of its dropout rates, which are the knobs' numbers.

    Its weight regularizers only mark the weights: the program adds the penalty to the stacked weights itself.

    Raises ValueError when the model gives a mask with its output.
    """
    constructors: dict[str, Callable[..., Any]] = {
        **dict.fromkeys(("regularizers.L1", "regularizers.L2", "regularizers.L1L2"), KnobRegularizer),
        "layers.BatchNormalization": LaneBatchNormalization,
        "layers.Dropout": _dropout(KnobDropout),
        "layers.SpatialDropout1D": _dropout(KnobSpatialDropout),
        "layers.SpatialDropout2D": _dropout(KnobSpatialDropout),
        "layers.AlphaDropout": _dropout(KnobAlphaDropout),
        "layers.GaussianDropout": _dropout(KnobGaussianDropout),
        "layers.GaussianNoise": _gaussian_noise,
        **ATTENTION_LAYERS,
        **LANE_LAYERS,
        **LOOKUP_LAYERS,
        **RECURRENT_LAYERS,
        **TRANSPOSED_LAYERS,
        **UPSAMPLING_LAYERS,
    }
    model = architecture.build(constructors)
    if getattr(model.outputs[0], "_keras_mask", None) is not None:
        raise ValueError("its output has a mask, by which Keras weighs the loss and lanes do not")
    return model


def _dropout(kind: type[KnobDropout]) -> Callable[..., KnobDropout]:
    """Make a layer whose rate in the architecture is the number of its knob."""

    def make(rate: float, name: str | None = None, **_: Any) -> KnobDropout:
        return kind(int(rate), name=name)

    return make


def _gaussian_noise(stddev: float, name: str | None = None, **_: Any) -> LaneGaussianNoise:
    return LaneGaussianNoise(stddev, name=name)
