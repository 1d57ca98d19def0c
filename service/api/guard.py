"""Stands in front of every route, every mount and the dashboard: lets no request pass without the right key."""

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
from service.storage.records import KeyRecord

_POLICY_VIOLATION = 1008  # WebSocket's code


class Guard:
    """ASGI middleware: passes the requests that `scopes.RULES` allow their key, denies all others.

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
        """The answer to a request that may not pass, None for one that may."""
        try:
            _check_site(request)
            needed = scopes.needed_scope(request.method, request.scope["path"])
            if needed is not None:
                await run_in_threadpool(check_key, self._authenticator, request, needed)
        except UnauthenticatedError as error:
            if request.method in scopes.READS and "text/html" in request.headers.get("accept", ""):
                return RedirectResponse(f"/login?next={quote(_target(request), safe='')}", 303)
            return problems.answer_service_error(request, error)
        except ServiceError as error:
            return problems.answer_service_error(request, error)
        except problems.DATABASE_ERRORS as error:
            return problems.answer_database_error(request, error)
        return None


def check_key(authenticator: Authenticator, request: Request, needed: scopes.Scope) -> None:
    """Check that a request has a key of the scope, or needs none.

    Raises UnauthenticatedError or ForbiddenError, RateLimitedError when too many keys from its address were of no use.
    """
    record: KeyRecord | None = None
    try:
        record = authenticator.identify(request)
    except UnauthenticatedError as error:
        if not authenticator.is_open() or not _over_loopback(request):
            if "authorization" in request.headers:  # logins end by themselves, and browsers go on to ask
                authenticator.count_failure(request, error)
            raise
        _check_host(request)
    request.state.key = record  # also for the page that says what its scope lacks
    if record is not None and not scopes.includes(granted := cast(scopes.Scope, record.scope), needed):
        raise ForbiddenError(f"this needs the scope {needed}, and the key '{record.name}' has {granted}", needed)


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.scope['path']}?{query}" if query else str(request.scope["path"])


def _check_site(request: Request) -> None:
    """Reject writes that another site's page makes a browser send: browsers add the cookie, and reach loopback.

    A request with a key in its header passes: no page can add one. Browsers name the origin of every write.
    """
    if request.method in scopes.READS or "authorization" in request.headers:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_foreign = site is not None and site != "same-origin"
    is_foreign |= origin is not None and origin.partition("://")[2] != request.headers.get("host")
    is_unknown = site is None and origin is None and COOKIE in request.cookies
    if is_foreign or is_unknown:
        raise ForbiddenError("this comes from another site's page; send it from one of this server, or with a key")


def _over_loopback(request: HTTPConnection) -> bool:
    server = request.scope.get("server")
    return server is not None and _is_loopback(server[0])


def _check_host(request: HTTPConnection) -> None:
    """Reject host names that are not loopback: another page's name could be pointed here (DNS rebinding)."""
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
