"""Read a Keras model from a file: the JSON of `model.to_json()`, or a .keras archive, if asked with its weights."""

from __future__ import annotations

import json
import zlib
from lzma import LZMAError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from studies import keras_archive
from studies.errors import FieldError, InvalidSpecError
from studies.keras_config import start_weights
from studies.keras_config.errors import ConfigError
from studies.keras_config.reading import MAX_CHARACTERS

#: What zipfile and its decompressors raise of an archive that is damaged.
_DAMAGES = (BadZipFile, zlib.error, LZMAError, EOFError, KeyError, RuntimeError, ValueError)
_CONFIG = "config.json"  # within a .keras archive
_METADATA, _MAX_METADATA_BYTES = "metadata.json", 10_000
_SAVED_MODEL, _HDF5 = "saved_model.pb", b"\x89HDF"
_MAX_BYTES = 4 * MAX_CHARACTERS  # UTF-8 has at most four a character


def replace_model(model: Any, path: Path) -> dict[str, Any]:
    """Put a file's model in the place of a study's `model`, whose `insert_dropout` and `inputs` stay.

    `weights: true` of it asks for the file's weights. Raises what `read` does.
    """
    own = model if isinstance(model, dict) and model.get("kind") == "keras" else {}
    found = read(path, weights=own.get("weights") is True)
    kept = {"inputs": own["inputs"]} if "inputs" in own else {}
    return {**found, "insert_dropout": own.get("insert_dropout", False), **kept}


def read(path: Path, *, weights: bool = False) -> dict[str, Any]:
    """Read the `model` of a study's document: the config, what its layers were adapted to, and if asked the weights.

    Raises InvalidSpecError when there is none.
    """
    try:
        if is_zipfile(path):
            return _read_archive(path, weights=weights)
        config = _read_json(path).decode()
    except OSError as error:
        raise _error(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _error(f"{path} is neither JSON nor a .keras file; use model.to_json() or model.save()") from error
    if weights:
        raise _error(f"{path} holds no weights to start from; give a .keras file, which model.save() writes")
    return {"kind": "keras", "config": config}


def _read_json(path: Path) -> bytes:
    if (path / _SAVED_MODEL).exists():
        raise _error(
            f"{path} is a SavedModel, as Keras 2 wrote it, which holds a program and no model that can be read; load "
            "it where it was written, write its .h5, load that in Keras 3 and write it by model.save('model.keras')"
        )
    with path.open("rb") as file:
        if file.peek(len(_HDF5)).startswith(_HDF5):
            raise _error(
                f"{path} is an HDF5 file, as Keras 2 wrote it; load it in Keras 3 by keras.models.load_model and write "
                "it by model.save('model.keras')"
            )
        return _check_size(file.read(_MAX_BYTES + 1), path)


def _read_archive(path: Path, *, weights: bool) -> dict[str, Any]:
    try:
        with ZipFile(path) as archive:
            if any(Path(name).name == _SAVED_MODEL for name in archive.namelist()):
                raise _error(f"{path} holds a SavedModel and no model that can be read; give what model.save() writes")
            with archive.open(_CONFIG) as file:
                # The size that the archive claims may be wrong.
                config = _check_size(file.read(_MAX_BYTES + 1), path).decode()
            return {"kind": "keras", **_complete(config, _read_version(archive), archive, weights=weights)}
    except ConfigError as error:
        raise InvalidSpecError([FieldError("model.config", str(error))]) from error
    except _DAMAGES as error:
        raise _error(f"{path} has no {_CONFIG} that can be read; give what model.save() writes") from error


def _read_version(archive: ZipFile) -> str | None:
    """The version of Keras that wrote an archive, which its config lacks."""
    if _METADATA not in archive.namelist():
        return None
    with archive.open(_METADATA) as file:
        found = json.loads(file.read(_MAX_METADATA_BYTES))
    return str(found.get("keras_version")) if isinstance(found, dict) else None


def _complete(config: str, version: str | None, archive: ZipFile, *, weights: bool) -> dict[str, str]:
    """The config with the state of its layers in it, and if asked the weights."""
    try:
        document = json.loads(config)
    except (ValueError, RecursionError):
        return {"config": config}  # refused as any other text, in the same words
    if isinstance(document, dict) and version is not None:
        document["keras_version"] = version
    keras_archive.fill_state(document, archive)
    found = {"config": json.dumps(document)}
    if weights:
        found["weights"] = start_weights.pack(keras_archive.read_weights(document, archive))
    return found


def _check_size(data: bytes, path: Path) -> bytes:
    if len(data) > _MAX_BYTES:
        raise _error(f"the architecture in {path} has more than {_MAX_BYTES} bytes")
    return data


def _error(message: str) -> InvalidSpecError:
    return InvalidSpecError([FieldError("model", message)])
