"""Takes a file in as it comes, and leaves nothing behind when it does not come whole."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.errors import CutOffError, DiskFullError, InvalidDatasetError, TooLargeError
from service.storage.datasets import Upload
from studies.spec.table import TableFormat

_FORMATS: Mapping[str, TableFormat] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/vnd.apache.parquet": "parquet",
    "application/parquet": "parquet",
    "application/x-npz": "npz",
}
_BLOCK = 1 << 20


def format_of(content_type: str) -> TableFormat:
    """The format of a body by its Content-Type; InvalidDatasetError when that names none."""
    found = _FORMATS.get(content_type.partition(";")[0].strip().lower())
    if found is None:
        known = ", ".join(_FORMATS)
        raise InvalidDatasetError("format", f"say csv, tsv, parquet or npz, or send a Content-Type out of {known}")
    return found


@asynccontextmanager
async def received(request: Request, most_bytes: int) -> AsyncIterator[Upload]:
    """The body of a request as a file, for as long as the block lasts.

    TooLargeError as soon as it is larger than it may be, while it still comes.
    """
    too_large = TooLargeError("file", most_bytes, "REGSWEEP_MAX_UPLOAD_BYTES")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise too_large
    with tempfile.TemporaryDirectory(prefix="regsweep-upload-") as folder:
        path, digest, size = Path(folder, "file"), sha256(), 0
        try:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most_bytes:
                        raise too_large
                    digest.update(chunk)
                    await run_in_threadpool(file.write, chunk)
        except ClientDisconnect as error:
            raise CutOffError("the client hung up before the file was whole") from error
        except OSError as error:
            raise DiskFullError(error.strerror or str(error)) from error
        yield Upload(path, digest.hexdigest(), size)


@contextmanager
def local(path: Path) -> Iterator[Upload]:
    """A file of this machine."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    yield Upload(path, digest.hexdigest(), path.stat().st_size)
