"""The door in front of every route, the dashboard and whatever is mounted: without the right key nothing passes."""

from __future__ import annotations

import ipaddress
import re
from typing import cast
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service import scopes
from service.api import problems
from service.api.authentication import COOKIE, Authenticator
from service.errors import ForbiddenError, ServiceError, UnauthenticatedError

_POLICY_VIOLATION = 1008  # WebSocket's code


class Guard:
    """ASGI middleware: passes what `scopes.RULES` allows the key of a request, denies everything else.

    While no key was ever made, requests over a loopback address under a loopback name pass.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app, self._authenticator = app, authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._app(scope, receive, send)
            case "http":
                refusal = await self._refusal(Request(scope))
                await (refusal or self._app)(scope, receive, send)
            case _:  # no route of ours is a WebSocket
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _refusal(self, request: Request) -> Response | None:
        """The answer to a request that may not pass."""
        try:
            _check_site(request)
            needed = scopes.needed(request.method, request.scope["path"])
            if needed is not None:
                await run_in_threadpool(self._check_key, request, needed)
        except UnauthenticatedError as error:
            if request.method in scopes.READS and "text/html" in request.headers.get("accept", ""):
                return RedirectResponse(f"/login?next={quote(_target(request), safe='')}", 303)
            return problems.of_service_error(error)
        except ServiceError as error:
            return problems.of_service_error(error)
        except problems.DATABASE_ERRORS as error:
            return problems.of_database_error(request.url.path, error)
        return None

    def _check_key(self, request: Request, needed: scopes.Scope) -> None:
        record = self._authenticator.identify(request)
        if record is None:
            if not self._authenticator.open() or not _over_loopback(request):
                raise UnauthenticatedError(given="authorization" in request.headers or COOKIE in request.cookies)
            _check_name(request)
        elif not scopes.includes(held := cast(scopes.Scope, record.scope), needed):
            raise ForbiddenError(f"this needs the scope {needed}, and the key '{record.name}' has {held}", needed)


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.scope['path']}?{query}" if query else str(request.scope["path"])


def _check_site(request: Request) -> None:
    """Refuse what another site's page has a browser send: the browser adds the cookie by itself, and reaches loopback.

    A key in a header is sent by whoever has it. Browsers name the origin of every request that may change something.
    """
    if request.method in scopes.READS or "authorization" in request.headers:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = site is not None and site != "same-origin"
    foreign |= origin is not None and origin.partition("://")[2] != request.headers.get("host")
    unknown = site is None and origin is None and COOKIE in request.cookies
    if foreign or unknown:
        raise ForbiddenError("this comes from another site's page; send it from one of this server, or with a key")


def _over_loopback(request: HTTPConnection) -> bool:
    server = request.scope.get("server")
    return server is not None and _is_loopback(server[0])


def _check_name(request: HTTPConnection) -> None:
    """Refuse another name for this machine: by one that its owner points here, a page could read what is here."""
    name = re.sub(r":\d*$", "", request.headers.get("host", "")).lower().strip("[]")
    if name != "localhost" and not name.endswith(".localhost") and not _is_loopback(name):
        raise ForbiddenError(
            f"without keys this server answers to localhost and was asked as '{name}'; "
            "make a key with `regsweep keys create`"
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
