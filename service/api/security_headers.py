"""Gives every answer the headers that tell a browser what it may not do with it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Of answers that are no pages: nothing in them is run or loaded, whatever it is taken for.
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"
#: Of every answer; the policies of the Optuna dashboard's pages are without it.
_FRAMES = "frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers would send forms from the origin `null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_YEAR = "max-age=31536000"


class SecurityHeaders:
    """ASGI middleware: completes the headers of all answers, those to refused requests and of faults among them.

    A page brings its own Content-Security-Policy, and a file that never changes its own Cache-Control.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), scope)
            await send(message)

        await self._app(scope, receive, send_completed if scope["type"] == "http" else send)


def _complete(headers: MutableHeaders, scope: Scope) -> None:
    policy = headers.get("Content-Security-Policy", _POLICY)
    headers["Content-Security-Policy"] = policy if "frame-ancestors" in policy else f"{policy}; {_FRAMES}"
    for name, value in _HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = _YEAR
