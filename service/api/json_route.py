"""Reads the JSON of a request's body before its route does, and refuses what no document may hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service.api import freed_memory
from service.api.turns import Turns, key_name
from service.errors import CutOffError, NotJsonError
from studies.document_bounds import MAX_VALUES, check_document, too_many_values
from studies.errors import FieldError, InvalidSpecError, shorten
from studies.study_file import unique_keys

_SMALL = 100_000  # bytes
#: Documents that are not small and are read at once, half of them of one key.
MAX_LARGE = 2
#: Of a document, at least as many as it has fields: each takes 200 bytes before any is looked at.
MAX_COLONS = 50_000
_MAX_DIGITS = 300  # of a number that becomes a whole one; Python's own reading fails at 4,300


class JsonRoute(APIRoute):
    """A route that takes a document as JSON: every route with a body that is no file.

    Raises NotJsonError when the body is none or its Content-Type does not say that it is, and InvalidSpecError when a
    key stands twice and when `check_document` refuses it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            read = _ReadRequest(request.scope, request.receive)
            body = await read.receive_body() if self.body_field is not None else b""
            if len(body) < _SMALL:
                read.read(body)
                return await handle(read)
            # A large one takes ten times its size until it is answered.
            turns: Turns = request.app.state.large_bodies
            async with turns.take(key_name(request)):
                # In a thread, or who sends a large document would keep all others waiting.
                try:
                    await run_in_threadpool(read.read, body)
                    return await handle(read)
                finally:
                    del read, body
                    await run_in_threadpool(freed_memory.give_back)

        return handle_json


class _ReadRequest(Request):
    """A request whose document was read before FastAPI asks for it."""

    _document: Any = None

    async def receive_body(self) -> bytes:
        """Wait until the body is whole."""
        try:
            return await self.body()
        except ClientDisconnect as error:
            raise CutOffError("the body was cut off") from error

    def read(self, body: bytes) -> None:
        """Read and check the body, if there is one."""
        if not body:
            return
        content_type = self.headers.get("content-type", "")
        if not _is_json(content_type):
            said = f"its Content-Type is '{shorten(content_type, 60)}'" if content_type else "it has no Content-Type"
            raise NotJsonError(f"{said}; send 'application/json'")
        self._document = read_json(body)

    async def json(self) -> Any:
        return self._document


def _is_json(content_type: str) -> bool:
    """Return whether FastAPI takes a body of this type for JSON."""
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def read_json(body: bytes) -> Any:
    """Read a document, and check what it holds; see JsonRoute."""
    # Before they are made: a value takes a hundred bytes and more. Commas of texts count too, hence twice as many.
    if sum(map(body.count, (b",", b"[", b"{"))) > 2 * MAX_VALUES:
        raise too_many_values()
    if body.count(b":") > MAX_COLONS:
        raise InvalidSpecError([FieldError("", f"has more than {MAX_COLONS:,} fields")])
    try:
        document = json.loads(body, object_pairs_hook=unique_keys, parse_int=_read_whole)
        check_document(document)
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg.lower()}, at line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise NotJsonError("it is not UTF-8 text") from error
    except RecursionError as error:
        raise NotJsonError("it is nested too deep") from error
    return document


def _read_whole(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)
