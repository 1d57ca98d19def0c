"""One Keras model that is the mean of several, each trained on a fold with that fold's own scaling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.datasets import pipeline
from studies.datasets.preprocessing import PreparedData


def write_mean(models: Sequence[tuple[PreparedData, Path]], whole: PreparedData, path: Path) -> None:
    """Write the mean of models, given as .keras files with the data each was trained on, as one .keras file.

    It takes inputs as `whole` prepares them and gives outputs as `whole` scales them.
    """
    import keras

    inputs = keras.Input(whole.input_shape)
    outputs = []
    for index, (data, file) in enumerate(models):
        member = keras.models.load_model(file, compile=False)
        member.name = f"member_{index}"
        taken = _rescaled(inputs, _input_scaling(whole), _input_scaling(data), f"inputs_{index}")
        given = _rescaled(member(taken), _target_scaling(data), _target_scaling(whole), f"outputs_{index}")
        outputs.append(given)
    mean = keras.layers.Average(name="mean")(outputs) if len(outputs) > 1 else outputs[0]
    keras.Model(inputs, mean, name="mean_of_folds").save(path)


def _rescaled(values: Any, from_: tuple[Any, Any], to: tuple[Any, Any], name: str) -> Any:
    """Values that were scaled by one (mean, deviation) as another would have scaled them."""
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
