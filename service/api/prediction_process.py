"""Runs `regsweep predict` in a process of its own, so that the HTTP process never loads TensorFlow."""

from __future__ import annotations

import asyncio
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

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


async def predict_rows(
    bundle: bytes, rows: Path, file_format: TableFormat, encoding: str | None, sheet: str | None
) -> bytes:
    """Predict a file of rows with an exported model; return a CSV. A cancelled caller ends the process.

    Raises InvalidDatasetError when the rows do not fit the model.
    """
    with tempfile.TemporaryDirectory(prefix="regsweep-predict-") as folder:
        model, named, csv = (Path(folder, name) for name in ("model.zip", f"rows.{file_format}", "predictions.csv"))
        model.write_bytes(bundle)
        named.symlink_to(rows)
        options = {"--encoding": encoding, "--sheet": sheet}
        asked = [f"{option}={value}" for option, value in options.items() if value is not None]
        status, message = await _run("predict", str(model), str(named), "-o", str(csv), *asked)
        if status == _REFUSED:
            raise InvalidDatasetError("", message.removeprefix("regsweep: ").replace(str(named), "the file"))
        if status:
            _log.error("predicting failed", code=status, said=message)
            raise ServiceError("predicting failed; the server's log says why")
        return csv.read_bytes()


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
