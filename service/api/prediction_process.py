"""Runs `regsweep predict` in a process of its own, so that the HTTP process never loads TensorFlow."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog

from service.child_process import regsweep_command
from service.errors import InvalidDatasetError, PredictorMissingError, ServiceError
from studies.spec.table import TableFormat

_log = structlog.get_logger(__name__)
_TIMEOUT_SECONDS = 600.0
_REFUSED = 2  # exit status of a command whose input is wrong
_WITHHELD = ("REGSWEEP_", "AWS_")  # settings that the command does not need, secrets among them


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
) -> Predicted:
    """Predict a file of rows with an exported model. A cancelled caller ends the process.

    Raises InvalidDatasetError when the rows do not fit the model, or, if `strict`, hold what training never saw.
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
        status, message = await _run(
            "predict", str(model), str(named), "-o", str(output), "--unfamiliar", str(unfamiliar), *options
        )
        if status == _REFUSED:
            raise InvalidDatasetError("", message.removeprefix("regsweep: ").replace(str(named), "the file"))
        if status:
            _log.error("predicting failed", code=status, said=message)
            raise ServiceError("predicting failed; the server's log says why")
        return Predicted(output.read_bytes(), json.loads(unfamiliar.read_bytes()))


async def _run(*arguments: str) -> tuple[int, str]:
    """Run `regsweep …`; return its exit status and its standard error."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD)}
    process = await asyncio.create_subprocess_exec(
        *regsweep_command(*arguments),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env=environment | {"COLUMNS": "1000"},
    )  # fmt: skip
    try:
        _, message = await asyncio.wait_for(process.communicate(), _TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise InvalidDatasetError(
            "", f"took longer than {_TIMEOUT_SECONDS:.0f} seconds; send fewer rows at once"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, message.decode(errors="replace").strip()
