"""Metrics of this server's requests and of its process, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, Info, ProcessCollector

from service.version import VERSION

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RequestMetrics:
    """The time of each request by its route's template, so that no name and no wrong path makes a series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        Info("regsweep_build", "The version that serves.", registry=registry).info({"version": VERSION})
        ProcessCollector(registry=registry)
        self._seconds = Histogram(
            "regsweep_http_request_duration_seconds",
            "Seconds from a request's head to its answer's end.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._seconds.labels(method if method in _METHODS else "other", route, str(status)).observe(seconds)
