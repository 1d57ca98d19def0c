"""Lets a proxy show the server under a path of its own and with TLS; all routes stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.pages.root_path import root_path


class BehindProxy:
    """ASGI middleware: takes the root path off requests, and puts it before the paths that answers lead to.

    A proxy may pass the root path on or take it off. Scheme and address that X-Forwarded-Proto and X-Forwarded-For name
    are believed of trusted proxies alone.
    """

    def __init__(self, app: ASGIApp, root: str, trusted_proxies: Sequence[str]) -> None:
        self._app, self._root = app, root
        serve: Any = self._serve  # uvicorn has types of its own for the same
        self._enter: Any = ProxyHeadersMiddleware(serve, list(trusted_proxies)) if trusted_proxies else serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._enter(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._root:
            await self._app(scope, receive, send)
            return

        async def send_with_root(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "location" in headers:
                    headers["location"] = self._located(headers["location"], Headers(scope=scope).get("host", ""))
            await send(message)

        root_path.set(self._root)
        # `root_path` of ASGI would stand in `path` as well, which the guard and others compare with routes.
        raw_path = self._without_root(scope["raw_path"].decode("latin-1")).encode("latin-1")
        path = self._without_root(scope["path"])
        inner = {**scope, "path": path, "raw_path": raw_path, "app_root_path": self._root}
        await self._app(inner, receive, send_with_root)

    def _without_root(self, path: str) -> str:
        return path[len(self._root) :] or "/" if f"{path}/".startswith(f"{self._root}/") else path

    def _located(self, location: str, host: str) -> str:
        """A Location with the root path, where it leads to this server."""
        parts = urlsplit(location)
        if not parts.path.startswith("/") or parts.netloc not in {"", host}:
            return location
        return urlunsplit(parts._replace(path=self._root + parts.path))
