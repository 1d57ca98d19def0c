"""The login of browsers: a key is exchanged for a cookie, so that the dashboard and pages can be read with it."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Annotated
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from service.api.authentication import COOKIE, LOGIN_SECONDS, new_login
from service.api.dependencies import AuthenticatorDependency

_log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
}
Next = Annotated[str, Query(alias="next", description="The path that is shown once logged in.")]


@cache
def _template() -> Template:
    return Template(Path(__file__).with_name("login.html").read_text("utf-8"))


_MOST_BYTES = 8192


def _page(target: str, message: str = "", status: int = 200) -> HTMLResponse:
    return HTMLResponse(_template().substitute(next=escape(target), message=escape(message)), status, _HEADERS)


@router.get("/login")
def page(target: Next = "/") -> HTMLResponse:
    """The page that asks for a key."""
    return _page(target)


@router.post("/login")
async def login(request: Request, authenticator: AuthenticatorDependency) -> Response:
    """Take a key in, and lead back to the page that was asked for."""
    sent = b""
    async for chunk in request.stream():
        sent += chunk
        if len(sent) > _MOST_BYTES:  # anyone may send this
            return _page("/", "This is no key.", 413)
    fields = parse_qs(sent.decode(errors="replace"))
    target, key = fields.get("next", ["/"])[0], fields.get("key", [""])[0].strip()
    record = await run_in_threadpool(authenticator.of_key, key)
    if record is None:
        _log.warning("login refused", client=request.client.host if request.client else None)
        return _page(target, "This key is not known, was revoked, or has expired.", 401)
    response: Response = RedirectResponse(target if _is_here(target) else "/", 303)
    response.set_cookie(
        COOKIE,
        new_login(record).text,
        max_age=LOGIN_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout")
def logout() -> RedirectResponse:
    """Drop the cookie, and the pages that the browser has kept."""
    response = RedirectResponse("/login", 303, {"Clear-Site-Data": '"cache"'})
    response.delete_cookie(COOKIE)
    return response


def _is_here(target: str) -> bool:
    """Whether it is a path of this server; browsers take two slashes for another's."""
    return target.startswith("/") and target[1:2] not in {"/", "\\"} and target.isprintable()
