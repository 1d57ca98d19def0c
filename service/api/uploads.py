"""Receives a request's body as a file, and leaves nothing behind when it is cut off."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.message import Message
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.errors import CutOffError, DiskFullError, InvalidDatasetError, TooLargeError
from service.storage.datasets import Upload
from studies.spec.table import FORMAT_WORDS, TableFormat

_FORMATS: Mapping[str, TableFormat] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/vnd.apache.parquet": "parquet",
    "application/parquet": "parquet",
    "application/x-npz": "npz",
    "text/plain": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/vnd.apache.arrow.file": "feather",
}


def format_of_content_type(content_type: str) -> TableFormat:
    """The format that a Content-Type names.

    Raises InvalidDatasetError when it names none.
    """
    file_format = _FORMATS.get(content_type.partition(";")[0].strip().lower())
    if file_format is None:
        known = ", ".join(_FORMATS)
        raise InvalidDatasetError("format", f"say {FORMAT_WORDS}, or send a Content-Type out of {known}")
    return file_format


def encoding_of_content_type(content_type: str) -> str | None:
    """The charset that a Content-Type names, if it names one."""
    message = Message()
    message["Content-Type"] = content_type
    return message.get_content_charset()


@asynccontextmanager
async def receive(request: Request, max_bytes: int, setting: str) -> AsyncIterator[Upload]:
    """Write a request's body to a file that lasts as long as the block; `setting` is the limit's variable.

    Raises TooLargeError as soon as the body exceeds `max_bytes`, CutOffError when the client hangs up.
    """
    too_large = TooLargeError("file", max_bytes, setting)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    with tempfile.TemporaryDirectory(prefix="regsweep-upload-") as folder:
        path, digest, size = Path(folder, "file"), sha256(), 0
        try:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > max_bytes:
                        raise too_large
                    digest.update(chunk)
                    await run_in_threadpool(file.write, chunk)
        except ClientDisconnect as error:
            raise CutOffError("the client hung up before the file was whole") from error
        except OSError as error:
            raise DiskFullError(error.strerror or str(error)) from error
        yield Upload(path, digest.hexdigest(), size)
