"""Read a Keras model's architecture from a file: the JSON of `model.to_json()`, or a .keras archive."""

from __future__ import annotations

import zlib
from lzma import LZMAError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from studies.errors import FieldError, InvalidSpecError
from studies.keras_config.reading import MAX_CHARACTERS

#: What zipfile and its decompressors raise of an archive that is damaged.
_DAMAGES = (BadZipFile, zlib.error, LZMAError, EOFError, KeyError, RuntimeError, ValueError)
_CONFIG = "config.json"  # within a .keras archive
_MAX_BYTES = 4 * MAX_CHARACTERS  # UTF-8 has at most four a character


def replace_model(model: Any, path: Path) -> dict[str, Any]:
    """Put a file's model in the place of a study's `model`; `insert_dropout` and `inputs` of a Keras model stay."""
    own = model if isinstance(model, dict) and model.get("kind") == "keras" else {}
    kept = {"inputs": own["inputs"]} if "inputs" in own else {}
    return {"kind": "keras", "config": read(path), "insert_dropout": own.get("insert_dropout", False), **kept}


def read(path: Path) -> str:
    """Read the config as JSON text; the weights are not read.

    Raises InvalidSpecError when there is none.
    """
    try:
        data = _read_archive(path) if is_zipfile(path) else _read_json(path)
        return data.decode()
    except OSError as error:
        raise _error(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _error(f"{path} is neither JSON nor a .keras file; use model.to_json() or model.save()") from error


def _read_json(path: Path) -> bytes:
    with path.open("rb") as file:
        return _check_size(file.read(_MAX_BYTES + 1), path)


def _read_archive(path: Path) -> bytes:
    try:
        with ZipFile(path) as archive, archive.open(_CONFIG) as file:
            # The size that the archive claims may be wrong.
            return _check_size(file.read(_MAX_BYTES + 1), path)
    except _DAMAGES as error:
        raise _error(f"{path} has no {_CONFIG} that can be read; give what model.save() writes") from error


def _check_size(data: bytes, path: Path) -> bytes:
    if len(data) > _MAX_BYTES:
        raise _error(f"the architecture in {path} has more than {_MAX_BYTES} bytes")
    return data


def _error(message: str) -> InvalidSpecError:
    return InvalidSpecError([FieldError("model", message)])
