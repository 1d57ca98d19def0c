"""Answers HEAD wherever a GET is, and OPTIONS, which tells the methods of a path."""

from __future__ import annotations

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.route_table import allowed_methods


class HeadAndOptions:
    """ASGI middleware: sends a GET's head without its body, and answers OPTIONS of our routes with their methods."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods = allowed_methods(scope) if scope["type"] == "http" and scope["method"] in {"HEAD", "OPTIONS"} else []
        if not methods:  # what is no route of ours has its own answer
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={"Allow": ", ".join(methods)})(scope, receive, send)
        else:
            await self._send_head({**scope, "method": "GET"}, receive, send)

    async def _send_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as get:

            async def send_head(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                elif message.get("more_body"):  # a stream, which may last for hours
                    get.cancel()

            await self._app(scope, receive, send_head)
