"""Observes every request: its id, its log lines, its refusal in the audit, its time in the metrics, its span."""

from __future__ import annotations

import logging
import re
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, bound_contextvars

from service import audit, tracing
from service.api.failed_keys import REASON
from service.api.request_metrics import RequestMetrics
from service.api.route_table import template
from service.scopes import READS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span

_log = structlog.get_logger(__name__)

HEADER = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
#: The study and the trial that an address is about.
_SUBJECT = re.compile(r"(?:/v1)?/studies/(?P<study>[^/]{1,140})(?:/trials/(?P<trial>[0-9]{1,9}))?(?:/.*)?", re.DOTALL)
_NO_STUDY = frozenset({"check"})
_MAX_PATH = 300  # characters of a line
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_REFUSALS = frozenset({401, 403, 429})


class Observer:
    """ASGI middleware around all others and around the errors' handlers, so that every answer has its request's id."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        span = _begin_span(scope, headers, request_id)
        status, began = 500, perf_counter()  # of a request that has no answer

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id, **_subject(scope["path"])), tracing.current(span):
            if span is not None:
                bind_contextvars(**tracing.ids(tracing.traceparent(span)))
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                seconds = perf_counter() - began
                route = _route(scope)
                self._metrics.observe(scope["method"], route, status, seconds)
                if span is not None:
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attributes({"http.route": route, "http.response.status_code": status})
                _write_lines(scope, route, status, seconds)


def _request_id(headers: Headers) -> str:
    """The id that the request brings, so that a proxy's lines and ours agree; another where it is none."""
    asked = headers.get(HEADER, "")
    return asked if _SANE_ID.fullmatch(asked) else uuid4().hex


def _subject(path: str) -> dict[str, Any]:
    match = _SUBJECT.fullmatch(path)
    if match is None or match["study"] in _NO_STUDY:
        return {}
    trial = {} if match["trial"] is None else {"trial": int(match["trial"])}
    return {"study": match["study"]} | trial


def _begin_span(scope: Scope, headers: Headers, request_id: str) -> Span | None:
    if scope["path"] in _PROBES:  # they come every few seconds, and lead to nothing
        return None
    # Not the query: it may hold what nobody else should read.
    facts = {"http.request.method": scope["method"], "url.path": scope["path"], "regsweep.request_id": request_id}
    return tracing.begin("request", headers.get("traceparent"), **facts)


def _route(scope: Scope) -> str:
    """The template of the request's route; one name for the dashboard's paths and all that are none."""
    if scope.get("is_dashboard"):
        return "dashboard"
    return getattr(scope.get("route"), "path", None) or template(scope) or "none"


def _write_lines(scope: Scope, route: str, status: int, seconds: float) -> None:
    method, path, client = scope["method"], scope["path"][:_MAX_PATH], scope.get("client")
    if status in _REFUSALS or REASON in scope:  # a browser whose key is of no use is sent to the login
        by_dashboard = route == "dashboard" and method not in READS
        event = "login.refused" if route == "/login" else "dashboard.refused" if by_dashboard else "request.refused"
        ids = {"method": method, "path": path, "status": status, "client": client and client[0]}
        audit.record_refusal(event, **ids, reason=scope.get(REASON))
    elif route == "dashboard" and method not in READS and status < 400:
        audit.record("dashboard.changed", method=method, path=path)
    if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        _log.debug("request", method=method, path=path, route=route, status=status, seconds=round(seconds, 6))
