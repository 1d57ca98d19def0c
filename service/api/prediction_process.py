"""Predictions by `regsweep predict` in a process of its own, for the HTTP process never loads TensorFlow."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import structlog

from service.errors import InvalidDatasetError, PredictorMissingError, ServiceError
from studies.spec.table import TableFormat

_log = structlog.get_logger(__name__)
_SECONDS = 600.0
_REFUSED = 2  # how the command ends when what it was given is wrong
_OWN = ("REGSWEEP_", "AWS_")  # what the command does not need, and secrets are among it


def check() -> None:
    """PredictorMissingError where TensorFlow is not installed."""
    if find_spec("tensorflow") is None:
        raise PredictorMissingError


async def predicted(bundle: bytes, rows: Path, file_format: TableFormat) -> bytes:
    """The CSV of an exported model's predictions for a file of rows.

    InvalidDatasetError when the rows are not as the model needs them. The process ends with whoever waits for it.
    """
    with tempfile.TemporaryDirectory(prefix="regsweep-predict-") as folder:
        model, named, csv = (Path(folder, name) for name in ("model.zip", f"rows.{file_format}", "predictions.csv"))
        model.write_bytes(bundle)
        named.symlink_to(rows)
        code, said = await _run("predict", str(model), str(named), "-o", str(csv))
        if code == _REFUSED:
            raise InvalidDatasetError("", said.removeprefix("regsweep: ").replace(str(named), "the file"))
        if code:
            _log.error("predicting failed", code=code, said=said)
            raise ServiceError("predicting failed; the server's log says why")
        return csv.read_bytes()


async def _run(*arguments: str) -> tuple[int, str]:
    """Run `regsweep …`; how it ended, and what it said of that."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli.main", *arguments,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env=environment | {"COLUMNS": "1000"},
    )  # fmt: skip
    try:
        _, said = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError as error:
        raise InvalidDatasetError("", f"took longer than {_SECONDS:.0f} seconds; send fewer rows at once") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace").strip()
