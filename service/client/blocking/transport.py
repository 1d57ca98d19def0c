"""Sends requests, again while the server is away, and reads its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic, sleep
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import httpx
from pydantic import BaseModel

from service.client.address import server_and_key
from service.client.answers import AWAY, query, refusal
from service.client.data import Data, open_data
from service.errors import UnreachableError

View = TypeVar("View", bound=BaseModel)

_RETRY_SECONDS = 0.5
_BLOCK_BYTES = 1 << 20
_PAGE_ITEMS = 1000


class Transport:
    """A connection to one server, by default the one that REGSWEEP_SERVER_URL names, with the key of REGSWEEP_KEY.

    A server that has answered before is waited for, up to `patience_seconds`: it is restarting, or its database is.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        timeout_seconds: float = 30.0,
        patience_seconds: float = 60.0,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        url, key = server_and_key(url, key)
        self.url = url
        self._timeout_seconds, self._patience_seconds = timeout_seconds, patience_seconds
        self._has_answered = False
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, headers=headers, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _read(self, view: type[View], method: str, path: str, **request: Any) -> View:
        answer = self._send(method, path, **request)
        return view.model_validate_json(answer.content)

    def _read_list(self, view: type[View], path: str, **request: Any) -> list[View]:
        return [view.model_validate(item) for item in self._read_json(path, **request)]

    def _read_json(self, path: str, **request: Any) -> Any:
        answer = self._send("GET", path, **request)
        return answer.json()

    def _read_text(self, path: str, **request: Any) -> str:
        answer = self._send("GET", path, **request)
        return answer.text

    def _read_bytes(self, path: str, **request: Any) -> bytes:
        answer = self._send("GET", path, **request)
        return answer.content

    def _read_pages(self, view: type[View], path: str, **parameters: Any) -> list[View]:
        items: list[View] = []
        cursor: str | None = None
        while True:
            params = query(**parameters, limit=_PAGE_ITEMS, cursor=cursor)
            page = self._read_json(path, params=params)
            items += [view.model_validate(item) for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                return items

    def _upload(self, path: str, data: Data, options: Mapping[str, Any]) -> httpx.Response:
        """Send data as the body of a request, in a stream, with the options in its query."""
        with open_data(data) as (file, size, file_format):
            params = query(**{"format": file_format} | query(**options))
            # The server reads a large file before it answers, which takes longer than any other answer.
            timeout = httpx.Timeout(self._timeout_seconds, read=None)
            headers = {"Content-Length": str(size), "Accept": "application/json"}
            return self._send("POST", path, params=params, content=_blocks(file), headers=headers, timeout=timeout)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request and return its successful answer, after repeating it while the server is away."""
        # A POST is done once only when an Idempotency-Key stands in its headers.
        repeatable = method != "POST" or "Idempotency-Key" in request.get("headers", {})
        deadline = monotonic() + (self._patience_seconds if repeatable and self._has_answered else 0.0)
        while True:
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                if monotonic() >= deadline:
                    raise UnreachableError(self.url, str(error) or type(error).__name__) from error
            else:
                self._has_answered = True
                if response.is_success:
                    return response
                if response.status_code not in AWAY or monotonic() >= deadline:
                    raise refusal(response)
            sleep(_RETRY_SECONDS)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block
