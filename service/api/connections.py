"""Bounds what connections may hold: how many there are, and how long a request may take to come or an answer to go."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from uuid import uuid4

import h11
import structlog
from structlog.contextvars import bound_contextvars
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.api import problems
from service.api.log_bound import OnceAMinute

_log, _once = structlog.get_logger(__name__), OnceAMinute()

_RESERVED_DESCRIPTORS = 256  # for the database, files, pipes to workers, and connections that were just accepted


@dataclass(frozen=True, slots=True)
class Bounds:
    """What connections may take."""

    connections: int = 1000
    header_seconds: float = 20.0  # until a request's headers are there, from its first byte or the connection's begin
    body_seconds: float = 30.0  # for a body, and one more for each `body_rate` bytes of it
    body_rate: float = 1000.0
    answer_seconds: float = 60.0  # in which a client takes nothing of an answer


class Connection(H11Protocol):
    """A connection of uvicorn's that knows whether it has kept the server waiting for too long."""

    def __init__(self, *arguments: Any, bounds: Bounds, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._bounds = bounds
        self._moved_at = self.loop.time()  # when data came last, or an answer ended
        self._begun_at: float | None = self._moved_at  # of the request whose headers are not complete
        self._body_at: float | None = None  # when the body began that is not complete
        self._body_bytes = 0
        self._unsent, self._unsent_at = 0, 0.0  # bytes of answers that were not taken, and since when they are so many

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Make room where there are too many, or refuse."""
        super().connection_made(transport)
        if len(self.connections) > self._bounds.connections:
            _make_room(self, [one for one in self.connections if isinstance(one, Connection)])

    def data_received(self, data: bytes) -> None:
        """Note the time of each step."""
        now = self.loop.time()
        self._moved_at = now
        if self._begun_at is None and self.conn.their_state is h11.IDLE:
            self._begun_at = now
        super().data_received(data)
        state = self.conn.their_state
        if state is not h11.IDLE:
            self._begun_at = None
        if state is not h11.SEND_BODY:
            self._body_at, self._body_bytes = None, 0
        else:
            self._body_at = self._body_at or now
            self._body_bytes += len(data)

    def on_response_complete(self) -> None:
        """Note the time."""
        self._moved_at = self.loop.time()
        super().on_response_complete()

    @property
    def waiting_since(self) -> float | None:
        """Since when nothing came of what the client has to send; None while it waits for the server."""
        is_answered = self.cycle is None or self.cycle.response_complete
        is_coming = self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused
        return self._moved_at if is_answered or is_coming else None

    def close_if_overdue(self, now: float, elapsed: float) -> None:
        """Close a connection that is overdue; `elapsed` seconds have gone since the last look."""
        if self._body_at is not None and (self.flow.read_paused or self.cycle.waiting_for_100_continue):
            self._body_at += elapsed  # the server does not read on
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._unsent_at = unsent, now
        if self._is_overdue(now):
            self.transport.abort()
        elif self._is_body_overdue(now):
            if self.cycle.response_started:
                self.transport.abort()
            else:
                self.refuse(408, "the body did not come in time; send 1,000 bytes a second at least")

    def _is_overdue(self, now: float) -> bool:
        bounds = self._bounds
        if self._unsent and now - self._unsent_at > bounds.answer_seconds:
            return True
        return self._begun_at is not None and now - self._begun_at > bounds.header_seconds

    def _is_body_overdue(self, now: float) -> bool:
        seconds = self._bounds.body_seconds + self._body_bytes / self._bounds.body_rate
        return self._body_at is not None and now - self._body_at > seconds

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request of HTTP."""
        self.refuse(400, f"this is no request of HTTP that can be read: {msg.rstrip('.').lower()}")

    def refuse(self, status: int, detail: str, retry_after: str = "") -> None:
        """Answer with a problem for which no app is asked, and close."""
        state = {} if self.cycle is None or self.cycle.response_complete else self.cycle.scope.get("state", {})
        request_id = state.get("request_id") or uuid4().hex  # the observer's, if it saw the request
        with bound_contextvars(request_id=request_id):
            answer = problems.problem(status, HTTPStatus(status).phrase, detail)
        answer.headers["X-Request-ID"], answer.headers["Connection"] = request_id, "close"
        if retry_after:
            answer.headers["Retry-After"] = retry_after
        head = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        head += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + bytes(answer.body))
        self.transport.close()


def _make_room(new: Connection, others: list[Connection]) -> None:
    """Close the connection that has waited longest for its client; where none waits, refuse the new one."""
    waiting = [(since, other) for other in others if other is not new and (since := other.waiting_since) is not None]
    if _once.may("full"):
        _log.warning("there are as many connections as there may be", bound=len(others) - 1, waiting=len(waiting))
    if waiting:
        oldest = min(waiting, key=lambda pair: pair[0])[1]
        oldest.connections.discard(oldest)  # before it is told: others come in the same turn of the loop
        oldest.transport.abort()
    else:
        new.refuse(503, "the server has as many connections as it may", retry_after=problems.RETRY_SECONDS)


def bounds_of(connections: int) -> Bounds:
    """The bounds for so many connections, or for fewer where so many files cannot be open; raises that limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return Bounds(connections)
    return Bounds(min(connections, max(hard - _RESERVED_DESCRIPTORS, hard // 2)))


def close_overdue(connections: set[Any], now: float, elapsed: float) -> None:
    """Close the connections that are overdue."""
    for connection in list(connections):
        cast(Connection, connection).close_if_overdue(now, elapsed)


def log_accept_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Log once a minute that no connection can be accepted: asyncio would a hundred times a second, with tracebacks."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or "accept" not in context["message"]:
            loop.default_exception_handler(context)
        elif _once.may("accept"):
            _log.error("a connection cannot be accepted", error=str(error))

    loop.set_exception_handler(handle)
