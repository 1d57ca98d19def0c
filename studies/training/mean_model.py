"""One Keras model that is the mean of several, each trained on a fold with that fold's own scaling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.array import Array
from studies.datasets import pipeline
from studies.datasets.preprocessing import PreparedData
from studies.keras_config.division import Division, Span, whole_shape
from studies.keras_config.exported import MEAN
from studies.keras_config.graph import ModelInput


def write_mean(
    members: Sequence[tuple[PreparedData, Path]], full: PreparedData, path: Path, division: Division = ()
) -> None:
    """Write the mean of models, each a .keras file with the data it was trained on, as one .keras file.

    It takes inputs as `full` prepares them, of a `division` several, and gives outputs as `full` scales them.
    """
    import keras

    inputs = [
        keras.Input(whole_shape(each), name=each.name, dtype="float32" if each.vocabulary is None else "string")
        for each, _ in division
    ] or [keras.Input(full.input_shape)]
    outputs = []
    for index, (data, file) in enumerate(members):
        member = keras.models.load_model(file, compile=False)
        member.name = f"member_{index}"
        scalings = zip(inputs, _input_scalings(full, division), _input_scalings(data, division), strict=True)
        member_inputs = [
            _rescale(values, from_, to, f"inputs_{index}" + (f"_{values.name}" if division else ""))
            for values, from_, to in scalings
        ]
        member_outputs = member(member_inputs if division else member_inputs[0])
        outputs.append(_rescale(member_outputs, _target_scaling(data), _target_scaling(full), f"outputs_{index}"))
    mean = keras.layers.Average(name="mean")(outputs) if len(outputs) > 1 else outputs[0]
    keras.Model(inputs if division else inputs[0], mean, name=MEAN).save(path)


def _rescale(values: Any, from_: tuple[Any, Any], to: tuple[Any, Any], name: str) -> Any:
    """Scale values by one (mean, deviation) that were scaled by another."""
    import keras

    scale = np.asarray(from_[1] / to[1], np.float64)
    offset = np.asarray((from_[0] - to[0]) / to[1], np.float64)
    if np.all(scale == 1) and np.all(offset == 0):
        return values
    return keras.layers.Rescaling(_plain(scale), _plain(offset), name=name)(values)


def _plain(values: Array) -> Any:
    """Values as a layer's config holds them: one number where all are the same, as of the pixels of an image."""
    return values.flat[0].item() if values.size and np.all(values == values.flat[0]) else values.tolist()


def _input_scalings(data: PreparedData, division: Division) -> list[tuple[Any, Any]]:
    """Mean and deviation of each of the model's inputs."""
    mean, deviation = _input_scaling(data)
    if not division:
        return [(mean, deviation)]
    return [(_of_input(mean, *part, 0.0), _of_input(deviation, *part, 1.0)) for part in division]


def _of_input(values: Array, model_input: ModelInput, spans: Sequence[Span], of_code: float) -> Array:
    parts = [np.full(1, of_code) if span.code else values[span.first : span.end] for span in spans]
    return np.concatenate(parts).reshape(whole_shape(model_input))


def _input_scaling(data: PreparedData) -> tuple[Any, Any]:
    """Mean and deviation of each input, or of all together."""
    if data.dataset.layout is not None:
        return pipeline.scaling(data.blocks, data.input_shape[0])
    return np.asarray(data.input_scaling.mean, np.float64), np.asarray(data.input_scaling.deviation, np.float64)


def _target_scaling(data: PreparedData) -> tuple[Any, Any]:
    return np.asarray(data.target_scaling.mean, np.float64), np.asarray(data.target_scaling.deviation, np.float64)
