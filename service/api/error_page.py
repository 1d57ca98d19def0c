"""Errors as pages, for people who look with a browser; programs get problems."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from service import scopes
from service.pages.rendering import render
from service.pages.viewer import ANYONE_HERE, Viewer
from service.storage.records import KeyRecord

_API = "/v1/"
_SERVER_ERROR = 500  # and above: the same request may be answered later


def viewer_of(request: Request) -> Viewer:
    """Who sends a request that the guard let pass; it kept the request's key, None only while none was made."""
    record: KeyRecord | None = request.state.key
    if record is None:
        return ANYONE_HERE
    return Viewer(record.name, cast(scopes.Scope, record.scope), is_limited=record.projects is not None)


def wants_page(request: Request) -> bool:
    """Whether a browser shows the answer to somebody: it says that it reads HTML, and the API has none."""
    is_shown = request.method in scopes.READS and "text/html" in request.headers.get("accept", "")
    return is_shown and not request.url.path.startswith(_API)


def error_page(request: Request, status: int, title: str, sentence: str, *, may_pass: bool = True) -> Response:
    """The page that says what is wrong, and offers to try again where the server is at fault and it `may_pass`."""
    # Without a key, who looks is not known; files need none, so none was looked up.
    viewer = viewer_of(request) if hasattr(request.state, "key") else None
    may_pass = may_pass and status >= _SERVER_ERROR
    return render("error.html", viewer, status, title=title, sentence=sentence, may_pass=may_pass)
