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

if TYPE_CHECKING:
    import keras


def is_keras_model(value: object) -> bool:
    """Return whether a value is a model that describes itself, as a keras.Model does."""
    return callable(getattr(value, "to_json", None))


def model_document(model: Any) -> dict[str, Any]:
    """The `model` of a study's document: of a keras.Model, or of a .json or .keras file by its path.

    Raises InvalidSpecError when it is neither, or is not built.
    """
    if isinstance(model, str | PathLike):
        return files.replace_model(None, Path(fspath(model)))
    if not is_keras_model(model):
        raise InvalidSpecError([FieldError("model", "give a keras.Model, or the path of a .json or .keras file")])
    try:
        return {"kind": "keras", "config": model.to_json()}
    except NotImplementedError as error:
        message = f"this model cannot describe itself ({error}); give a Sequential or a functional model"
        raise InvalidSpecError([FieldError("model", message)]) from error


def model_file(model: object) -> bytes:
    """What POST /v1/models/read takes: a file's bytes, or a model's JSON."""
    if isinstance(model, str | PathLike):
        return Path(fspath(model)).read_bytes()
    return str(model_document(model)["config"]).encode()


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
