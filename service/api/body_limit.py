"""Limits the size of a request's body. Files that are written to disk have a limit of their own."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems
from service.errors import TooLargeError

_UPLOADS = frozenset({"/v1/datasets", "/v1/datasets/profile", "/v1/models/read"})


class BodyLimit:
    """ASGI middleware: refuses a body that is declared too large, and cuts off one that grows too large."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes
        self._error = TooLargeError("body", max_bytes, "REGSWEEP_MAX_BODY_BYTES")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UPLOADS:
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            await problems.answer_service_error(Request(scope), self._error)(scope, receive, send)
            return
        bytes_left = self._max_bytes

        async def receive_limited() -> Message:
            nonlocal bytes_left
            message = await receive()
            bytes_left -= len(message.get("body", b""))
            if bytes_left < 0:
                # The only kind of error that FastAPI lets through while it reads a body.
                raise HTTPException(self._error.status, str(self._error))
            return message

        await self._app(scope, receive_limited, send)
