"""Predictions by `regsweep predict` in a process of its own, for the HTTP process never loads TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from service.errors import InvalidDatasetError, PredictorMissingError, ServiceError
from studies.table_spec import TableFormat

_SECONDS = 600.0
_REFUSED = 2  # how the command ends when what it was given is wrong


def predicted(bundle: bytes, rows: Path, file_format: TableFormat) -> bytes:
    """The CSV of an exported model's predictions for a file of rows.

    InvalidDatasetError when the rows are not as the model needs them, PredictorMissingError without TensorFlow.
    """
    if find_spec("tensorflow") is None:
        raise PredictorMissingError
    with tempfile.TemporaryDirectory(prefix="regsweep-predict-") as folder:
        model, named, csv = (Path(folder, name) for name in ("model.zip", f"rows.{file_format}", "predictions.csv"))
        model.write_bytes(bundle)
        named.symlink_to(rows)
        command = [sys.executable, "-m", "service.cli", "predict", str(model), str(named), "-o", str(csv)]
        environment = os.environ | {"COLUMNS": "1000"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise InvalidDatasetError(
                "", f"took longer than {_SECONDS:.0f} seconds; send fewer rows at once"
            ) from error
        if done.returncode == _REFUSED:
            raise InvalidDatasetError(
                "", done.stderr.strip().removeprefix("regsweep: ").replace(str(named), "the file")
            )
        if done.returncode:
            raise ServiceError(f"predicting ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return csv.read_bytes()
