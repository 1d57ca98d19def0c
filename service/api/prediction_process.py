"""Predicts a file of rows by `regsweep predict` in a process of its own."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog

from service.api.keras_process import REFUSED, SAYS, ran_out_of_memory, run_command
from service.errors import FileLimitError, InvalidDatasetError, PredictorMissingError, ServiceError
from service.reading_process import ReadingLimits
from studies.spec.table import TableFormat

_log = structlog.get_logger(__name__)
_TIMEOUT_SECONDS = 600.0


def check_installed() -> None:
    """Raise PredictorMissingError where TensorFlow is not installed."""
    if find_spec("tensorflow") is None:
        raise PredictorMissingError


@dataclass(frozen=True)
class Predicted:
    """Predictions as a client takes them."""

    content: bytes  # a CSV, or JSON
    unfamiliar: list[dict[str, Any]]  # what training never saw, column by column


async def predict_rows(
    bundle: bytes,
    rows: Path,
    file_format: TableFormat,
    encoding: str | None,
    sheet: str | None,
    *,
    as_json: bool,
    id_column: str | None,
    strict: bool,
    limits: ReadingLimits,
    max_parameters: int,
) -> Predicted:
    """Predict a file of rows with an exported model. A cancelled caller ends the process.

    Raises InvalidDatasetError when the rows do not fit the model, or, if `strict`, hold what training never saw;
    FileLimitError when that takes more memory than it may.
    """
    with tempfile.TemporaryDirectory(prefix="regsweep-predict-") as folder:
        written = f"predictions.{'json' if as_json else 'csv'}"
        names = ("model.zip", f"rows.{file_format}", written, "unfamiliar.json")
        model, named, output, unfamiliar = (Path(folder, name) for name in names)
        model.write_bytes(bundle)
        named.symlink_to(rows)
        options = [*(["--strict"] if strict else []), *([] if id_column is None else [f"--id={id_column}"])]
        options += [] if encoding is None else [f"--encoding={encoding}"]
        options += [] if sheet is None else [f"--sheet={sheet}"]
        try:
            status, message = await run_command(
                limits.memory,
                _TIMEOUT_SECONDS,
                max_parameters,
                "predict",
                str(model),
                str(named),
                "-o",
                str(output),
                "--unfamiliar",
                str(unfamiliar),
                *options,
            )
        except TimeoutError as error:
            raise InvalidDatasetError(
                "file", f"took longer than {_TIMEOUT_SECONDS:.0f} seconds; send fewer rows at once"
            ) from error
        if status == REFUSED:
            raise InvalidDatasetError("file", message.removeprefix(SAYS).replace(str(named), "the file"))
        if status:
            if ran_out_of_memory(status, message):
                _log.warning("the process that predicted a file died", code=status, said=message[-1000:])
                raise FileLimitError.of_memory_or_damage(limits.memory)
            _log.error("predicting failed", code=status, said=message)
            raise ServiceError("predicting failed; the server's log says why")
        return Predicted(output.read_bytes(), json.loads(unfamiliar.read_bytes()))
