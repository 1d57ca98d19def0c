"""The Keras model inside a program of lanes: layers that lanes hold in place of Keras' own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import keras

from studies.models.architecture import Architecture
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


def lane_model(architecture: Architecture) -> keras.Model:
    """Build the model of an architecture with knobs in place of its dropout rates.

    Its weight regularizers only mark the weights: the program adds the penalty to the stacked weights itself.

    Raises ValueError when the model gives a mask with its output.
    """
    positions = count()
    hidden_layer = architecture.dropped_after

    def dropout(kind: type[KnobDropout]) -> Callable[..., KnobDropout]:
        def make(rate: float, name: str | None = None, **_: Any) -> KnobDropout:  # noqa: ARG001  # the knob replaces it
            position = next(positions)
            return kind(position, position if hidden_layer is None or name is None else hidden_layer[name], name=name)

        return make

    def gaussian_noise(stddev: float, name: str | None = None, **_: Any) -> LaneGaussianNoise:
        return LaneGaussianNoise(next(positions), stddev, name=name)

    constructors: dict[str, Callable[..., Any]] = {
        **dict.fromkeys(("regularizers.L1", "regularizers.L2", "regularizers.L1L2"), KnobRegularizer),
        "layers.BatchNormalization": LaneBatchNormalization,
        "layers.Dropout": dropout(KnobDropout),
        "layers.SpatialDropout1D": dropout(KnobSpatialDropout),
        "layers.SpatialDropout2D": dropout(KnobSpatialDropout),
        "layers.AlphaDropout": dropout(KnobAlphaDropout),
        "layers.GaussianDropout": dropout(KnobGaussianDropout),
        "layers.GaussianNoise": gaussian_noise,
        **LANE_LAYERS,
        **LOOKUP_LAYERS,
        **RECURRENT_LAYERS,
        **TRANSPOSED_LAYERS,
    }
    model = architecture.build(constructors)
    if getattr(model.outputs[0], "_keras_mask", None) is not None:
        raise ValueError("its output has a mask, by which Keras weighs the loss and lanes do not")
    return model
