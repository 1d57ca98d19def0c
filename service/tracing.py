"""Traces of OpenTelemetry, from a request to its trials; without an endpoint nothing is imported, and nothing done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from service.extras import needing
from service.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span, TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_provider: TracerProvider | None = None


def configure(service: str) -> None:
    """Export the spans of this process, if the environment names an endpoint, under the name of a service.

    Raises ExtraMissingError when it does and the extra `tracing` is not installed.
    """
    global _provider  # noqa: PLW0603  # one a process, as the environment is
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    with needing("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    names = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or service, "service.version": VERSION}
    _provider = TracerProvider(resource=Resource.create(names))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def shut_down() -> None:
    """Export what is left, and trace no more."""
    global _provider  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def is_on() -> bool:
    """Return whether spans are exported."""
    return _provider is not None


def begin(name: str, parent: str | None = None, **attributes: Any) -> Span | None:
    """Begin a span below a `traceparent` (W3C), else below the current span; None when spans are not exported."""
    if _provider is None:
        return None
    from opentelemetry.trace import SpanKind

    kind = SpanKind.SERVER if name == "request" else SpanKind.INTERNAL
    known = {key: value for key, value in attributes.items() if value is not None}
    tracer = _provider.get_tracer("regsweep", VERSION)
    span: Any = tracer.start_span(name, _context(parent), kind, known)
    return span  # type: ignore[no-any-return]


@contextmanager
def current(span: Span | None) -> Iterator[Span | None]:
    """Make a span the current one, whose children the next spans are, and end it."""
    if span is None:
        yield None
        return
    from opentelemetry.trace import use_span

    with use_span(span, end_on_exit=True):
        yield span


def end(span: Span | None, **attributes: Any) -> None:
    """Give a span what is known at its end, and end it."""
    if span is not None:
        span.set_attributes({key: value for key, value in attributes.items() if value is not None})
        span.end()


def traceparent(span: Span | None = None) -> str | None:
    """The `traceparent` (W3C) of a span, else of the current one; None where there is none."""
    if _provider is None:
        return None
    from opentelemetry.trace import get_current_span, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span or get_current_span()))
    return carrier.get("traceparent")


def ids(parent: str | None) -> dict[str, str]:
    """The id of a trace as log lines have it; empty where nothing is traced."""
    return {} if _provider is None or parent is None else {"trace_id": parent.split("-")[1]}


def _context(parent: str | None) -> Context | None:
    if parent is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})
