"""Stands in front of every route, every mount and the dashboard: lets no request pass without the right key."""

from __future__ import annotations

import hmac
import ipaddress
import re
from functools import partial
from typing import cast
from urllib.parse import quote

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from service import scopes
from service.api import problems
from service.api.authentication import COOKIE, Authenticator, sent_key, session_token
from service.api.request_rates import RequestRates
from service.api.shared_reads import SharedReads
from service.errors import ForbiddenError, ServiceError, UnauthenticatedError
from service.storage.records import KeyRecord

_POLICY_VIOLATION = 1008  # WebSocket's code
#: By which proxies say that they pass a request on.
_FORWARDING = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class Guard:
    """ASGI middleware: passes the requests that `scopes.RULES` allow their key, denies all others.

    While no key was ever made, requests over a loopback address under a loopback name pass. None that a
    proxy passed on does: one on this machine makes everybody look like this machine's users.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        reads: SharedReads,
        rates: RequestRates,
        metrics_token: SecretStr | None = None,
    ) -> None:
        self._app, self._authenticator, self._reads, self._rates = app, authenticator, reads, rates
        self._metrics_header = None if metrics_token is None else f"Bearer {metrics_token.get_secret_value()}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._app(scope, receive, send)
            case "http":
                refusal = await self._refusal(Request(scope))
                await (refusal or self._app)(scope, receive, send)
            case _:  # no route of ours is a WebSocket
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    def _may_scrape(self, request: Request) -> bool:
        """Return whether a request reads the metrics with their own token, for which no database is needed."""
        if self._metrics_header is None or request.scope["path"] != "/metrics" or request.method not in scopes.READS:
            return False
        return hmac.compare_digest(request.headers.get("authorization", "").encode("latin-1"), self._metrics_header)

    async def _refusal(self, request: Request) -> Response | None:
        """The answer to a request that may not pass, None for one that may."""
        try:
            _check_site(request)
            needed = scopes.needed_scope(request.method, request.scope["path"])
            if needed is not None and not self._may_scrape(request):
                await self._check_key(request, needed)
        except UnauthenticatedError as error:
            if request.method in scopes.READS and "text/html" in request.headers.get("accept", ""):
                return RedirectResponse(f"/login?next={quote(_target(request), safe='')}", 303)
            return problems.answer_service_error(request, error)
        except ServiceError as error:
            return problems.answer_service_error(request, error)
        except problems.DATABASE_ERRORS as error:
            return problems.answer_database_error(request, error)
        return None

    async def _check_key(self, request: Request, needed: scopes.Scope) -> None:
        # All that `identify` looks at: a request may have several Cookie headers.
        sent = request.headers.get("authorization"), session_token(request), COOKIE in request.cookies
        record: KeyRecord | None = None
        try:
            record = await self._reads.read(sent, partial(self._authenticator.identify, request))
        except UnauthenticatedError as error:
            await run_in_threadpool(_check_open, self._authenticator, request, error)
        try:
            _check_scope(request, record, needed)
        finally:
            _bind_key(request)
        if record is not None:
            self._rates.check(record.id, record.name)


def _bind_key(request: Request) -> None:
    """Name the request's key, if it has one, in its log lines: by its id, which is no secret."""
    record = getattr(request.state, "key", None)
    if record is not None:
        bind_contextvars(key=record.id)


def check_key(authenticator: Authenticator, request: Request, needed: scopes.Scope) -> None:
    """Check that a request has a key of the scope, or needs none.

    Raises UnauthenticatedError or ForbiddenError, RateLimitedError when too many keys from its address were of no use.
    """
    record: KeyRecord | None = None
    try:
        record = authenticator.identify(request)
    except UnauthenticatedError as error:
        _check_open(authenticator, request, error)
    _check_scope(request, record, needed)


def _check_open(authenticator: Authenticator, request: Request, error: UnauthenticatedError) -> None:
    """Raise an error unless a request without a usable key is of this machine's user, who needs none."""
    if not authenticator.is_open() or not _over_loopback(request) or _is_forwarded(request):
        if sent_key(request) is not None:  # logins end by themselves, and browsers go on to ask
            authenticator.count_failure(request, error)
        raise error
    _check_host(request)


def _check_scope(request: Request, record: KeyRecord | None, needed: scopes.Scope) -> None:
    request.state.key = record  # also for the page that says what its scope lacks
    check_scope(record, needed)


def check_scope(record: KeyRecord | None, needed: scopes.Scope) -> None:
    """Check that a request's key, if it needed one, includes a scope.

    Raises ForbiddenError, which names both.
    """
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


def _is_forwarded(request: HTTPConnection) -> bool:
    """Whether a proxy passed it on: it says so, or it speaks HTTP/1.0, as nginx does where it is told nothing."""
    return request.scope["http_version"] == "1.0" or any(name in request.headers for name in _FORWARDING)


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
