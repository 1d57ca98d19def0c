"""Writes a `.keras` file as a model of MLflow's Keras flavour, without Keras.

mlflow.keras.save_model takes a model that Keras has built, and a server has no Keras. What it writes is the file itself
beside a description, see mlflow/keras/save.py.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from service.loggers.runs import Model

_DATA = "data"
_REQUIREMENTS = "requirements.txt"


def write(model: Model, folder: Path, run_id: str | None = None) -> None:
    """Write a model into a new folder, and beside it the zip with its preprocessing where there is one."""
    import mlflow.models
    from mlflow import pyfunc

    with ZipFile(io.BytesIO(model.keras)) as archive:
        version = json.loads(archive.read("metadata.json"))["keras_version"]
        config = json.loads(archive.read("config.json"))
    data = folder / _DATA
    data.mkdir(parents=True)
    (data / "model.keras").write_bytes(model.keras)
    (data / "keras_module.txt").write_text("keras")
    described = mlflow.models.Model(
        artifact_path=folder.name, run_id=run_id, signature=_signature(config, model.outputs)
    )
    described.add_flavor(
        "keras", data=_DATA, keras_version=version, keras_backend="tensorflow", save_exported_model=False
    )
    pyfunc.add_to_model(described, loader_module="mlflow.keras")
    described.model_size_bytes = len(model.keras)
    described.save(str(folder / "MLmodel"))
    (folder / _REQUIREMENTS).write_text(f"mlflow-skinny\nkeras=={version}\ntensorflow\n")
    if model.bundle is not None:
        (folder.parent / "regsweep.zip").write_bytes(model.bundle)


def _signature(config: Mapping[str, Any], outputs: int) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    inputs = list(_inputs(config))
    named = len(inputs) > 1
    specs = [TensorSpec(np.dtype(dtype), (-1, *shape), name if named else None) for name, shape, dtype in inputs]
    return ModelSignature(Schema(specs), Schema([TensorSpec(np.dtype("float32"), (-1, outputs))]))


def _inputs(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """The name, the shape of a row and the type of each input."""
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "InputLayer":
            inner = layer["config"]
            shape = tuple(-1 if size is None else size for size in inner["batch_shape"][1:])
            dtype = inner.get("dtype", "float32")
            name = dtype if isinstance(dtype, str) else dtype["config"]["name"]
            # One text a row; Keras predicts texts of shape (rows,), as objects.
            yield inner["name"], *(((), "object") if name == "string" else (shape, name))
