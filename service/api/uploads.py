"""Receives a request's file, as its body or in a form, and leaves nothing behind when it is cut off."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.api.form import FILE_FIELD, FORM_TYPE, MAX_FIELD_BYTES, FormReader
from service.errors import CutOffError, DiskFullError, InvalidDatasetError, InvalidOptionsError, TooLargeError
from service.storage.datasets import Upload
from studies.errors import FieldError
from studies.field_errors import field_errors
from studies.spec.table import FORMAT_WORDS, FORMATS_FOR_PEOPLE, TableFormat, format_of_name

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
#: What curl says of a body where it is told nothing.
_URL_ENCODED = "application/x-www-form-urlencoded"
_MAX_SHOWN_NAME = 100

Options = TypeVar("Options", bound=BaseModel)


def format_of_content_type(content_type: str) -> TableFormat:
    """The format that a Content-Type names.

    Raises InvalidDatasetError when it names none.
    """
    file_format = _FORMATS.get(content_type.partition(";")[0].strip().lower())
    if file_format is None:
        known = ", ".join(_FORMATS)
        raise InvalidDatasetError("format", f"say {FORMAT_WORDS}, or send a Content-Type out of {known}")
    return file_format


@dataclass(frozen=True)
class Description:
    """What a request says of its file beside its query."""

    content_type: str
    file_name: str | None = None
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def format(self) -> TableFormat:
        """The file's format by its Content-Type, else by its name.

        Raises InvalidDatasetError when neither says one.
        """
        media_type = _media_type(self.content_type)
        if media_type == _URL_ENCODED or media_type.startswith("multipart/"):
            raise _no_file(media_type)
        try:
            return format_of_content_type(self.content_type)
        except InvalidDatasetError:
            if not self.file_name:
                raise
            by_name = format_of_name(self.file_name)
            if by_name is None:
                message = f"{self.file_name[:_MAX_SHOWN_NAME]} is no table: choose {FORMATS_FOR_PEOPLE}"
                raise InvalidDatasetError("format", message) from None
            return by_name

    @property
    def encoding(self) -> str | None:
        """The charset that the file's Content-Type names, if it names one."""
        message = Message()
        message["Content-Type"] = self.content_type
        return message.get_content_charset()

    def complete(self, query: Options) -> Options:
        """Add the form's fields to the options of the query.

        Raises InvalidOptionsError when a field is wrong, or is another in the query.
        """
        form = _read_fields(type(query), self.fields)
        both = form.model_fields_set & query.model_fields_set
        differing = [name for name in sorted(both) if getattr(form, name) != getattr(query, name)]
        if differing:
            message = "is not the same in the query and in the form; say it once"
            raise InvalidOptionsError([FieldError(name, message) for name in differing])
        return query.model_copy(update={name: getattr(form, name) for name in form.model_fields_set})


def _read_fields(options: type[Options], fields: Mapping[str, Sequence[str]]) -> Options:
    """Read the fields of a form; one that was left empty is none.

    Raises InvalidOptionsError with every field that is wrong.
    """
    known = options.model_fields
    given = {name: [value for value in values if value] for name, values in fields.items()}
    lists = {name for name in known if known[name].get_default(call_default_factory=True) == []}
    wrong = [FieldError(name, f"unknown field; choose from {', '.join(known)}") for name in fields if name not in known]
    wrong += [
        FieldError(name, "stands in the form more than once")
        for name, values in given.items()
        if name in known and name not in lists and len(values) > 1
    ]
    if wrong:
        raise InvalidOptionsError(wrong)
    values = {name: values if name in lists else values[0] for name, values in given.items() if values}
    try:
        return options.model_validate(values)
    except ValidationError as error:
        raise InvalidOptionsError(field_errors(error.errors(), options)) from error


def sent_as_body(request: Request) -> Description | None:
    """Describe the file that is a request's body; None when it is in a form, which has to come first."""
    content_type = request.headers.get("content-type", "")
    return None if _media_type(content_type) == FORM_TYPE else Description(content_type)


def declared_bytes(request: Request) -> int:
    """The length of a request's body as it says it; 0 when it does not."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdecimal() else 0


@asynccontextmanager
async def receive(request: Request, max_bytes: int, setting: str) -> AsyncIterator[tuple[Upload, Description]]:
    """Write a request's file to one that lasts as long as the block; `setting` is the limit's variable.

    Raises TooLargeError as soon as the file exceeds `max_bytes`, CutOffError when the client hangs up.
    """
    too_large = TooLargeError("file", max_bytes, setting)
    description = sent_as_body(request)
    most = max_bytes + (MAX_FIELD_BYTES if description is None else 0)
    if declared_bytes(request) > most:
        raise too_large
    with tempfile.TemporaryDirectory(prefix="regsweep-upload-") as folder:
        path = Path(folder, "file")
        try:
            with path.open("wb") as opened:
                file = _LimitedFile(opened, max_bytes, too_large)
                if description is None:
                    description = await _read_form(request, file)
                else:
                    await _read_body(request, file.write)
        except ClientDisconnect as error:
            raise CutOffError("the client hung up before the file was whole") from error
        except OSError as error:
            raise DiskFullError(error.strerror or str(error)) from error
        # `curl -d` takes the ends of lines out of a file.
        if _media_type(description.content_type) == _URL_ENCODED and not file.has_line_end:
            raise _no_file(_URL_ENCODED)
        yield Upload(path, file.digest.hexdigest(), file.size), description


class _LimitedFile:
    """A file that is written, with its digest; refuses to grow too large."""

    def __init__(self, file: BinaryIO, max_bytes: int, too_large: TooLargeError) -> None:
        self._file, self._max_bytes, self._too_large = file, max_bytes, too_large
        self.digest, self.size, self.has_line_end = sha256(), 0, False

    def write(self, block: bytes) -> None:
        """Add a block."""
        self.size += len(block)
        if self.size > self._max_bytes:
            raise self._too_large
        self.has_line_end = self.has_line_end or b"\n" in block
        self.digest.update(block)
        self._file.write(block)


async def _read_body(request: Request, read: Callable[[bytes], object]) -> None:
    async for block in request.stream():
        await run_in_threadpool(read, block)


async def _read_form(request: Request, file: _LimitedFile) -> Description:
    form = FormReader(request.headers["content-type"], file.write)
    await _read_body(request, form.feed)
    form.finish()
    return Description(form.file_type, form.file_name, form.fields)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _no_file(media_type: str) -> InvalidDatasetError:
    return InvalidDatasetError(
        "file",
        f"the body is a form ({media_type}), not a file; send the file with `--data-binary @FILE -H 'Content-Type: "
        f"text/csv'`, or with `-F {FILE_FIELD}=@FILE`",
    )


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema for what stands in an address, a header or a form, where nothing is null: it is left out."""
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not choices:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return rest | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def body_schema(options: type[BaseModel]) -> dict[str, Any]:
    """Describe both bodies for OpenAPI: the file alone, and the form with the file and these options as its fields."""
    file = {"type": "string", "format": "binary"}
    form = options.model_json_schema()
    fields = {name: without_null(schema) for name, schema in form["properties"].items()}
    form["properties"] = {FILE_FIELD: file, **fields}
    form["required"] = [FILE_FIELD]
    content = {media_type: {"schema": file} for media_type in _FORMATS} | {FORM_TYPE: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}
