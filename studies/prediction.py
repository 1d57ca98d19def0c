"""Predict new raw rows by an exported model; loads TensorFlow."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.datasets import arrays
from studies.datasets.preparation import Preparation
from studies.errors import DatasetError
from studies.spec.table import TableFormat
from studies.training.machine import memory_bytes

_MEMORY_PARTS = 4  # rows take at most a quarter of the machine's memory
MODEL, PREPARATION = "model.keras", "preparation.skops"


@dataclass(frozen=True)
class Predictions:
    """A row for each raw row."""

    predicted: npt.NDArray[Any]  # class names, or numbers in the target's own unit
    probabilities: npt.NDArray[Any] | None  # a column a class
    class_names: tuple[str, ...]


def predict(bundle: Path, rows: Path, file_format: TableFormat) -> Predictions:
    """Predict the rows of a file by the model of an exported zip.

    Raises DatasetError when the zip is none of ours, or when the rows are not as the model needs them.
    """
    import keras

    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(bundle) as content:
                for name in (MODEL, PREPARATION):
                    Path(folder, name).write_bytes(content.read(name))
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise DatasetError(f"{bundle} is no exported model: {error}") from error
        preparation = Preparation.load(Path(folder, PREPARATION))
        model = keras.models.load_model(Path(folder, MODEL), compile=False)
    outputs = np.asarray(model.predict(_inputs(preparation, rows, file_format), verbose=0))
    if preparation.task == "regression":
        return Predictions(preparation.decode(outputs), None, ())
    shares = outputs if preparation.task == "multiclass" else np.column_stack([1 - outputs[:, 0], outputs[:, 0]])
    return Predictions(preparation.decode(outputs), shares, preparation.class_names)


def _inputs(preparation: Preparation, rows: Path, file_format: TableFormat) -> npt.NDArray[Any]:
    if file_format != "npz":
        return preparation.read(rows, file_format, memory_bytes() // _MEMORY_PARTS)
    arrays.read_declared(rows, memory_bytes() // _MEMORY_PARTS)
    with np.load(rows, allow_pickle=False) as archive:
        arrays_by_name = {name: archive[name] for name in archive.files}
    if preparation.layout is not None:
        return preparation.transform(arrays_by_name)
    images = [array for array in arrays_by_name.values() if array.ndim > 1]
    if len(images) != 1:
        raise DatasetError(f"{rows} must hold one array of images, and holds {len(images)}")
    return preparation.transform(images[0])
