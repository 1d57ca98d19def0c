"""Keras models in and out; only taking one out imports Keras."""

from __future__ import annotations

import tempfile
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.extras import needing
from service.logs import quiet_tensorflow
from studies import model_file as files
from studies.errors import FieldError, InvalidSpecError
from studies.keras_archive import ADAPTED

if TYPE_CHECKING:
    import keras


def is_keras_model(value: object) -> bool:
    """Return whether a value is a model that describes itself, as a keras.Model does."""
    return callable(getattr(value, "to_json", None))


def model_document(model: Any, *, weights: bool = False) -> dict[str, Any]:
    """The `model` of a study's document: of a keras.Model, or of a .json or .keras file by its path.

    With `weights` a study starts from those of the model. Raises InvalidSpecError when it is neither, or is not built.
    """
    if isinstance(model, str | PathLike):
        return {**files.read(Path(fspath(model)), weights=weights), "insert_dropout": False}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(_written(model, weights=weights))
        return files.read(path, weights=weights)


def _written(model: Any, *, weights: bool) -> bytes:
    """A model as JSON, or as a .keras file where it has more to say: weights, or what its layers were adapted to."""
    config = _config(model)
    if not weights and not any(f'"class_name": "{kind}"' in config for kind in ADAPTED):
        return config.encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def _config(model: Any) -> str:
    if not is_keras_model(model):
        raise InvalidSpecError([FieldError("model", "give a keras.Model, or the path of a .json or .keras file")])
    try:
        return str(model.to_json())
    except NotImplementedError as error:
        message = f"this model cannot describe itself ({error}); give a Sequential or a functional model"
        raise InvalidSpecError([FieldError("model", message)]) from error


def model_file(model: object, *, weights: bool) -> bytes:
    """What POST /v1/models/read takes: a file's bytes, or those of a model."""
    if isinstance(model, str | PathLike):
        return Path(fspath(model)).read_bytes()
    return _written(model, weights=weights)


def load_model(content: bytes) -> keras.Model:
    """Load the bytes of a .keras file.

    Raises ExtraMissingError where Keras is not installed.
    """
    quiet_tensorflow()
    with needing("a model's `keras.Model`"):
        import keras
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(content)
        return keras.models.load_model(path, compile=False)
