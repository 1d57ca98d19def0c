"""Logs browsers in and out: exchanges a key for a cookie, so that the dashboard and the pages can be read."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from service.api.authentication import COOKIE, Authenticator
from service.api.dependencies import AuthenticatorDependency
from service.errors import RateLimitedError, UnauthenticatedError
from service.pages.phrases import sentence
from service.pages.rendering import render
from service.pages.root_path import root_path
from service.storage.sessions import MAX_SECONDS

router = APIRouter(include_in_schema=False)

_MAX_FORM_BYTES = 8192
NextPath = Annotated[str, Query(alias="next", description="Path to show after the login.")]


def _page(authenticator: Authenticator, target: str, message: str = "", status: int = 200) -> Response:
    return render("login.html", None, status, next=target, message=message, is_open=authenticator.is_open())


@router.get("/login")
def page(authenticator: AuthenticatorDependency, target: NextPath = "/") -> Response:
    """Show the page that asks for a key, or says that none is needed."""
    return _page(authenticator, target)


@router.post("/login")
async def login(request: Request, authenticator: AuthenticatorDependency) -> Response:
    """Check a key, set the cookie, and redirect to the page that was asked for."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:  # anyone may send it
            return await run_in_threadpool(_page, authenticator, "/", "This is no key.", 413)
    fields = parse_qs(body.decode(errors="replace"))
    target, key = fields.get("next", ["/"])[0], fields.get("key", [""])[0].strip()
    return await run_in_threadpool(_log_in, request, authenticator, target, key)


def _log_in(request: Request, authenticator: Authenticator, target: str, key: str) -> Response:
    try:
        token = authenticator.log_in(request, key)
    except UnauthenticatedError as error:
        return _page(authenticator, target, sentence(error.reason), 401)
    except RateLimitedError as error:
        refused = _page(authenticator, target, sentence(str(error)), error.status)
        refused.headers["Retry-After"] = str(error.retry_after)
        return refused
    response: Response = RedirectResponse(target if _is_own_path(target) else "/", 303)
    response.set_cookie(
        COOKIE,
        token.text,
        max_age=MAX_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path=root_path.get() or "/",
    )
    return response


@router.post("/logout")
def logout(request: Request, authenticator: AuthenticatorDependency, everywhere: bool = False) -> RedirectResponse:
    """End the session, or all of its key, and drop the cookie and the pages that the browser has cached."""
    authenticator.log_out(request, everywhere=everywhere)
    response = RedirectResponse("/login", 303, {"Clear-Site-Data": '"cache"'})
    response.delete_cookie(COOKIE, path=root_path.get() or "/")
    return response


def _is_own_path(target: str) -> bool:
    """True for a path of this server; browsers read two slashes as another server's name."""
    return target.startswith("/") and target[1:2] not in {"/", "\\"} and target.isprintable()
