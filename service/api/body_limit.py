"""Limits the size of a request's body, and of all that are held at once. Files on disk have limits of their own."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems
from service.errors import BusyError, ServiceError, TooLargeError

#: Whose routes read files to disk, or no more of a body than a key's length, for they need none.
_OTHERS = re.compile(r"/v1/datasets(?:/profile)?|/v1/models/read|/v1/studies/[^/]+/predict|/login|/logout")


class BodyLimit:
    """ASGI middleware: refuses a body that is declared too large, and cuts off one that grows too large.

    `max_held_bytes` bounds the sum of the bodies of all requests that are not answered yet: each is parsed in memory.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_held_bytes: int) -> None:
        self._app, self._max_bytes, self._max_held_bytes = app, max_bytes, max(max_bytes, max_held_bytes)
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _OTHERS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        held_bytes = int(declared) if declared.isdecimal() else 0
        if (error := self._error_of(held_bytes, held_bytes)) is not None:
            await problems.answer_service_error(Request(scope), error)(scope, receive, send)
            return
        self._held_bytes += held_bytes  # before it comes: of many that come at once, some get through

        async def receive_limited() -> Message:
            nonlocal held_bytes
            message = await receive()
            if declared:
                return message
            size = len(message.get("body", b""))
            if (error := self._error_of(held_bytes + size, size)) is not None:
                # The only kind of error that FastAPI lets through while it reads a body.
                headers = {"Retry-After": problems.RETRY_SECONDS} if isinstance(error, BusyError) else None
                raise HTTPException(error.status, str(error), headers)
            held_bytes += size
            self._held_bytes += size
            return message

        try:
            await self._app(scope, receive_limited, send)
        finally:
            self._held_bytes -= held_bytes

    def _error_of(self, own_bytes: int, more_bytes: int) -> ServiceError | None:
        """What is wrong with a body of so many bytes, of which so many are new."""
        if own_bytes > self._max_bytes:
            return TooLargeError("body", self._max_bytes, "REGSWEEP_MAX_BODY_BYTES")
        if self._held_bytes + more_bytes > self._max_held_bytes:
            return BusyError("other requests' bodies take all the memory that bodies may; send this one again later")
        return None
