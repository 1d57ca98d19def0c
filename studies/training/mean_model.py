"""One Keras model that is the mean of several, each trained on a fold with that fold's own scaling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.datasets import pipeline
from studies.datasets.preprocessing import PreparedData
from studies.keras_config.exported import MEAN


def write_mean(members: Sequence[tuple[PreparedData, Path]], full: PreparedData, path: Path) -> None:
    """Write the mean of models, each a .keras file with the data it was trained on, as one .keras file.

    It takes inputs as `full` prepares them and gives outputs as `full` scales them.
    """
    import keras

    inputs = keras.Input(full.input_shape)
    outputs = []
    for index, (data, file) in enumerate(members):
        member = keras.models.load_model(file, compile=False)
        member.name = f"member_{index}"
        member_inputs = _rescale(inputs, _input_scaling(full), _input_scaling(data), f"inputs_{index}")
        member_outputs = member(member_inputs)
        outputs.append(_rescale(member_outputs, _target_scaling(data), _target_scaling(full), f"outputs_{index}"))
    mean = keras.layers.Average(name="mean")(outputs) if len(outputs) > 1 else outputs[0]
    keras.Model(inputs, mean, name=MEAN).save(path)


def _rescale(values: Any, from_: tuple[Any, Any], to: tuple[Any, Any], name: str) -> Any:
    """Scale values by one (mean, deviation) that were scaled by another."""
    import keras

    scale = np.asarray(from_[1] / to[1], np.float64)
    offset = np.asarray((from_[0] - to[0]) / to[1], np.float64)
    if np.all(scale == 1) and np.all(offset == 0):
        return values
    return keras.layers.Rescaling(scale.tolist(), offset.tolist(), name=name)(values)


def _input_scaling(data: PreparedData) -> tuple[Any, Any]:
    """Mean and deviation of each input, or of all together."""
    if data.dataset.layout is not None:
        return pipeline.scaling(data.blocks, data.input_shape[0])
    return np.asarray(data.input_scaling.mean, np.float64), np.asarray(data.input_scaling.deviation, np.float64)


def _target_scaling(data: PreparedData) -> tuple[Any, Any]:
    return np.asarray(data.target_scaling.mean, np.float64), np.asarray(data.target_scaling.deviation, np.float64)
