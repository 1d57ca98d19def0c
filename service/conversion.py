"""Converts an exported zip into one model that takes raw rows, in this process; loads TensorFlow."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from service.extras import needing
from service.logs import quiet_tensorflow

if TYPE_CHECKING:
    from studies.raw_rows.formats import RawFormat


def convert(bundle: bytes, file_format: RawFormat, max_parameters: int) -> bytes:
    """Convert a zip: the bytes of a file, of a SavedModel's folder a zip.

    Raises DatasetError when the model cannot be had in that format, ExtraMissingError where an extra is not installed.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    quiet_tensorflow()
    # Else the first that is missing would name the server's extra, which brings no Keras.
    extra = None if find_spec("keras") else "worker"
    with tempfile.TemporaryDirectory() as folder, needing(f"a model as {file_format}", extra):
        from studies.raw_rows import writing

        model = Path(folder, "model.zip")
        model.write_bytes(bundle)
        return writing.convert(model, file_format, max_parameters)
