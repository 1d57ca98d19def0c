"""Exported models for tests: untrained, with a real preparation."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from studies.datasets.preparation import Preparation
from studies.datasets.preprocessing import PreparedData
from studies.keras_config.division import Division
from studies.prediction import MODEL, PREPARATION


def export(folder: Path, data: PreparedData, outputs: int, activation: str | None) -> tuple[Path, Any]:
    """Zip an untrained model with the data's preparation; return the file and the model.

    It has one layer; of images it has an augmentation in front, which must not act in predictions.
    """
    import keras

    from studies.training.trial_model import save_model

    keras.utils.set_random_seed(0)
    augmenting = [keras.layers.RandomFlip()] if len(data.input_shape) > 1 else []  # of images
    layers = [*augmenting, keras.layers.Flatten(), keras.layers.Dense(outputs, activation)]
    model = keras.Sequential([keras.Input(data.input_shape), *layers])
    model.compile("sgd", "mse")
    save_model(model, folder / MODEL)
    return bundle(folder, data)[0], model


def bundle(folder: Path, data: PreparedData, division: Division = ()) -> tuple[Path, Any]:
    """Zip the model in a folder with the data's preparation; return the file and the model."""
    import keras

    Preparation.of(data, division).save(folder / PREPARATION)
    with zipfile.ZipFile(folder / "model.zip", "w") as archive:
        for name in (MODEL, PREPARATION):
            archive.write(folder / name, name)
    return folder / "model.zip", keras.models.load_model(folder / MODEL, compile=False)
