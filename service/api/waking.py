"""Wakes this machine's workers after a request that may have given them work."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service import scopes
from service.ray.fleet import RayFleet
from service.worker.fleet import Fleet


class WakesWorkers:
    """ASGI middleware: idle workers look for work after each request that may change a study."""

    def __init__(self, app: ASGIApp, fleet: Fleet | RayFleet) -> None:
        self._app, self._fleet = app, fleet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] not in scopes.READS and scope["path"].startswith("/v1/studies"):
            self._fleet.wake()
