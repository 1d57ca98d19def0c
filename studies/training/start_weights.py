"""The weights that every trial of a study starts from, put into a Keras model by the names of its layers."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from studies import weights_file
from studies.array import Array
from studies.errors import EngineError

_SEEDS = "seed_generator"


def assign_weights(model: keras.Model, tensors: Mapping[str, Array]) -> None:
    """Give every layer of a built model its weights; tensors are named by layer and place, as a .keras file has them.

    Raises EngineError when one is missing, or of another shape.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "start.weights.h5")
        model.save_weights(path)  # Keras says where each weight lies
        with h5py.File(path, "r+") as file:
            for group in file["layers"]:
                name = str(file["layers"][group]["vars"].attrs["name"])
                for place, dataset in weights_file.datasets(file, f"layers/{group}"):
                    if _SEEDS not in place:
                        dataset[...] = _find(tensors, f"{name}/{place}", dataset.shape)
        model.load_weights(path)


def _find(tensors: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    tensor = tensors.get(name)
    if tensor is None or tensor.shape != shape:
        held = "none" if tensor is None else f"one of the shape {tensor.shape}"
        raise EngineError(f"model.weights: '{name}' takes a tensor of the shape {shape}, and they hold {held}")
    return np.asarray(tensor)
