"""Limits the size of a request's body, and of all that are held at once. Files on disk have limits of their own."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems
from service.errors import BusyError, ServiceError, TooLargeError
from service.storage.records import KeyRecord

#: Whose routes read files to disk, or no more of a body than a key's length, for they need none.
_OTHERS = re.compile(r"/v1/datasets(?:/profile)?|/v1/models/read|/v1/studies/[^/]+/predict|/login|/logout")


#: In which such a body comes as a whole, for memory holds it meanwhile: 1.4 Mbit/s for the largest.
SECONDS = 60.0


class BodyLimit:
    """ASGI middleware: refuses a body that is declared too large, and cuts off one that grows too large or stays away.

    `max_held_bytes` bounds the sum of the bodies of requests that are not answered yet: each is parsed in memory.
    Half of it is for the requests of one key.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_held_bytes: int, seconds: float = SECONDS) -> None:
        self._app, self._max_bytes, self._seconds = app, max_bytes, seconds
        self._max_held_bytes = max(max_bytes, max_held_bytes)
        self._max_of_key = max(max_bytes, max_held_bytes // 2)
        self._held_bytes: Counter[str] = Counter()  # by key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _OTHERS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            await problems.answer_service_error(Request(scope), self._too_large())(scope, receive, send)
            return
        key = _key_id(Request(scope))
        deadline = asyncio.get_running_loop().time() + self._seconds
        own_bytes = 0
        is_whole = False

        async def receive_limited() -> Message:
            nonlocal own_bytes, is_whole
            if is_whole:  # what comes now is that the client hangs up
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, f"the body did not come within {self._seconds:g} seconds") from error
            is_whole = not message.get("more_body", False)
            size = len(message.get("body", b""))
            # By what has come, not by what is declared: who sends slowly would hold the room of all others.
            if (refusal := self._refusal(key, own_bytes, size)) is not None:
                # The only kind of error that FastAPI lets through while it reads a body.
                headers = {"Retry-After": problems.RETRY_SECONDS} if isinstance(refusal, BusyError) else None
                raise HTTPException(refusal.status, str(refusal), headers)
            own_bytes += size
            self._held_bytes[key] += size
            return message

        try:
            await self._app(scope, receive_limited, send)
        finally:
            self._held_bytes[key] -= own_bytes
            if not self._held_bytes[key]:
                del self._held_bytes[key]

    def _refusal(self, key: str, own_bytes: int, more_bytes: int) -> ServiceError | None:
        """What is wrong with a body of which so many bytes are there and so many more have come."""
        if own_bytes + more_bytes > self._max_bytes:
            return self._too_large()
        if self._held_bytes[key] + more_bytes > self._max_of_key:
            return BusyError(
                "this key's other requests take all the memory that its bodies may; send this one again later"
            )
        if self._held_bytes.total() + more_bytes > self._max_held_bytes:
            return BusyError("other requests' bodies take all the memory that bodies may; send this one again later")
        return None

    def _too_large(self) -> TooLargeError:
        return TooLargeError("body", self._max_bytes, "REGSWEEP_MAX_BODY_BYTES")


def _key_id(request: Request) -> str:
    record: KeyRecord | None = getattr(request.state, "key", None)
    return "" if record is None else record.id
