"""Refuses query parameters that an operation does not have, which would else be misspelt in silence."""

from __future__ import annotations

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api import problems
from service.api.route_table import query_parameters
from service.errors import UnknownParameterError


class UnknownParameters:
    """ASGI middleware: answers an API request that has an unknown query parameter with 422; pages take any."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = query_parameters(scope) if scope["type"] == "http" and scope["query_string"] else None
        if known is not None:
            unknown = [name for name in QueryParams(scope["query_string"]) if name not in known]
            if unknown:
                error = UnknownParameterError(unknown, known)
                await problems.answer_service_error(Request(scope), error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
