"""Answers a model's export: the zip, or one model that takes raw rows, which a process of its own converts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.guard import check_scope
from service.api.keras_process import REFUSED, SAYS, ran_out_of_memory, run_command
from service.api.readings import Readings
from service.api.responses import download_response
from service.errors import BadRequestError, ConverterMissingError, FileLimitError, ServiceError
from service.export import ExportFormat, bundle
from service.scopes import CONVERTS
from service.storage.artifacts import Artifacts
from service.storage.records import TrialRecord
from service.storage.store import Store
from studies.raw_rows.formats import RawFormat

_log = structlog.get_logger(__name__)
_TIMEOUT_SECONDS = 600.0
_MAX_HEADER = 3500  # characters: a proxy refuses long headers
_NEEDED = {"keras": ("tensorflow",), "saved-model": ("tensorflow",), "onnx": ("tensorflow", "tf2onnx")}
_ENDINGS = {"zip": "zip", "keras": "keras", "saved-model": "zip", "onnx": "onnx"}

_BODIES: dict[str, Any] = {"application/zip": {}, "application/octet-stream": {}}
#: The bodies of an export, for the OpenAPI document.
EXPORT_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"content": _BODIES}}

_FormatParameter = Annotated[
    ExportFormat,
    Query(
        alias="format",
        description="`zip` holds the model and its preprocessing, for `regsweep predict`; `keras`, `saved-model` (its "
        "folder as a zip) and `onnx` are one model that takes raw rows and needs nothing of regsweep. Of these, "
        "which the server converts, a key needs the scope `submit`.",
    ),
]


def _asked_format(request: Request, file_format: _FormatParameter = "zip") -> ExportFormat:
    """The format that a request asks for, and whose key may have it."""
    if file_format != "zip":
        check_scope(request.state.key, CONVERTS)
    return file_format


FormatDependency = Annotated[ExportFormat, Depends(_asked_format)]


async def export_model(
    request: Request,
    readings: Readings,
    max_parameters: int,
    store: Store,
    artifacts: Artifacts,
    trial: TrialRecord,
    title: str,
    file_format: ExportFormat,
) -> Response:
    """Answer a trial's model as a file to save.

    Raises NotFoundError when it or its preprocessing was not kept, BadRequestError when it cannot be had in that
    format, ConverterMissingError when this server cannot convert it.
    """
    for module in _NEEDED.get(file_format, ()):
        if find_spec(module) is None:
            raise ConverterMissingError(module)
    content = await run_in_threadpool(bundle, artifacts, trial, store.detail(trial), title)
    said: list[str] = []
    if file_format != "zip":
        raw_format: RawFormat = file_format
        memory, zipped = readings.largest.memory, content
        content, said = await readings.predict(request, lambda: _convert(zipped, raw_format, memory, max_parameters))
    ending = _ENDINGS[file_format]
    media_type = "application/zip" if ending == "zip" else "application/octet-stream"
    response = download_response(content, media_type, f"{title}.{ending}")
    if said:
        response.headers["Regsweep-Warnings"] = _header(said)
    return response


def _header(sentences: Sequence[str]) -> str:
    """Sentences as JSON that a header can hold: the first, as many as have room."""
    kept = list(sentences)
    while len(kept) > 1 and len(json.dumps(kept)) > _MAX_HEADER:
        kept.pop()
    return json.dumps(kept)


async def _convert(content: bytes, file_format: RawFormat, memory: int, max_parameters: int) -> tuple[bytes, list[str]]:
    """Convert a zip; return the model, and what `regsweep convert` said of it."""
    with tempfile.TemporaryDirectory(prefix="regsweep-convert-") as folder:
        model, output = Path(folder, "model.zip"), Path(folder, f"converted.{_ENDINGS[file_format]}")
        model.write_bytes(content)
        try:
            status, message = await run_command(
                memory, _TIMEOUT_SECONDS, max_parameters, "convert", str(model), "-o", str(output)
            )
        except TimeoutError as error:
            raise BadRequestError("format", f"converting took longer than {_TIMEOUT_SECONDS:.0f} seconds") from error
        if status == REFUSED:
            raise BadRequestError("format", message.removeprefix(SAYS))
        if status:
            if ran_out_of_memory(status, message):
                _log.warning("the process that converted a model died", code=status, said=message[-1000:])
                raise FileLimitError.of_memory_or_damage(memory)
            _log.error("converting failed", code=status, said=message)
            raise ServiceError("converting the model failed; the server's log says why")
        said = [line.removeprefix(SAYS) for line in message.splitlines() if line.startswith(SAYS)]
        return output.read_bytes(), said
