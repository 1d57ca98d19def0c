"""Carries a client's requests to an ASGI app in this process: no socket, no port, no other user."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol, cast

import httpx


class App(Protocol):
    """An ASGI app."""

    async def __call__(self, scope: Any, receive: Any, send: Any, /) -> None: ...


class InProcessTransport(httpx.BaseTransport):
    """Runs an app in an event loop of its own, in a thread, so that it works where another loop runs, as in a notebook.

    Answers come as they are written, also those that never end.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="in-process server", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._loop.run_forever()  # until `close` stops it
        self._loop.run_until_complete(_end_tasks())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request to the app; return the answer once its head is there."""
        exchange = _Exchange(request)
        exchange.task = asyncio.run_coroutine_threadsafe(exchange.run(self._app), self._loop)
        head = exchange.next_message()
        return httpx.Response(head["status"], headers=head["headers"], stream=exchange, request=request)

    def close(self) -> None:
        """End what still runs, the loop and its thread."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _end_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Exchange(httpx.SyncByteStream):
    """One request and its answer, between the caller's thread and the loop's."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request
        self._blocks = iter(cast(httpx.SyncByteStream, request.stream))
        self._is_read = False
        self._messages: queue.SimpleQueue[dict[str, Any] | BaseException | None] = queue.SimpleQueue()
        self.task: Any = None

    def next_message(self) -> dict[str, Any]:
        """Wait for the app's next message.

        Raises RemoteProtocolError when there is none, for the app has ended or failed.
        """
        message = self._messages.get()
        if not isinstance(message, dict):
            raise httpx.RemoteProtocolError("the app ended without an answer", request=self._request) from message
        return message

    def __iter__(self) -> Iterator[bytes]:
        more = True
        while more:
            message = self.next_message()
            yield message.get("body", b"")
            more = message.get("more_body", False)

    def close(self) -> None:
        """End the app's work on the request, as a closed connection does."""
        self.task.cancel()

    async def run(self, app: App) -> None:
        """Let the app answer."""
        with suppress(asyncio.CancelledError):
            try:
                await app(_scope(self._request), self._receive, self._send)
            except Exception as error:  # noqa: BLE001  # the boundary: raised in the caller's thread
                self._messages.put(error)
            else:
                self._messages.put(None)

    async def _receive(self) -> dict[str, Any]:
        if self._is_read:
            await asyncio.Event().wait()  # until the exchange is closed, which cancels it
        block = next(self._blocks, None)  # of a local file: nobody else waits for this loop
        self._is_read = block is None
        return {"type": "http.request", "body": block or b"", "more_body": block is not None}

    async def _send(self, message: dict[str, Any]) -> None:
        self._messages.put(message)


def _scope(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    here = ("127.0.0.1", 0)  # the app lets this machine's own user in
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "client": here,
        "server": here,
    }
