"""Sessions: where a key is logged in, and the end of that; also as a page."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from service import scopes
from service.api.authentication import session_token
from service.api.dependencies import StoreDependency
from service.api.page_route import PageRoute, ViewerDependency
from service.errors import ForbiddenError, NotFoundError
from service.pages.rendering import render
from service.schemas.sessions import SessionsView
from service.storage.keys import KeyStore
from service.storage.records import KeyRecord
from service.storage.sessions import SessionStore
from service.storage.store import Store
from service.views.sessions import sessions_view

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
pages = APIRouter(include_in_schema=False, route_class=PageRoute)


def _own_key(request: Request) -> KeyRecord | None:
    return cast("KeyRecord | None", request.state.key)


OwnKey = Annotated[KeyRecord | None, Depends(_own_key)]
KeyParameter = Annotated[
    str | None,
    Query(alias="key", description="Name or id of a key; of another than one's own only with the scope admin."),
]


@router.get("")
def list_sessions(request: Request, store: StoreDependency, own: OwnKey, name: KeyParameter = None) -> SessionsView:
    """List the browsers that are logged in with the request's key, or with another."""
    return _view(request, store, _chosen(store, own, name))


@router.delete("", status_code=204)
def end_sessions(store: StoreDependency, own: OwnKey, name: KeyParameter = None) -> None:
    """Log every browser out that is logged in with the request's key, or with another."""
    key = _chosen(store, own, name)
    if key is not None:
        SessionStore(store).end_all(key.id)


@router.delete("/{session_id}", status_code=204)
def end_session(session_id: str, store: StoreDependency, own: OwnKey) -> None:
    """Log one browser out; with the scope admin also one of another key."""
    whose = None if own is None or _administers_keys(own) else own.id
    if not SessionStore(store).end(session_id, whose):
        raise NotFoundError(f"there is no session '{session_id}'")


@pages.get("/sessions")
def page(request: Request, store: StoreDependency, viewer: ViewerDependency, own: OwnKey) -> Response:
    """Show where the viewer's key is logged in."""
    return render("sessions.html", viewer, view=_view(request, store, own))


def _chosen(store: Store, own: KeyRecord | None, name: str | None) -> KeyRecord | None:
    """The key that is named, else the request's own; None where no key was made."""
    if name is None or (own is not None and name in {own.name, own.id}):
        return own
    if own is not None and own.scope != scopes.SCOPES[-1]:
        raise ForbiddenError(f"sessions of another key need the scope admin, and '{own.name}' has {own.scope}", "admin")
    if own is not None and not _administers_keys(own):
        raise ForbiddenError(f"'{own.name}' is limited to projects, and sees no sessions of other keys")
    return KeyStore(store).find(name)


def _administers_keys(own: KeyRecord) -> bool:
    """Return whether a key may end the sessions of others: keys are of no one project."""
    return own.scope == scopes.SCOPES[-1] and own.projects is None


def _view(request: Request, store: Store, key: KeyRecord | None) -> SessionsView:
    token = session_token(request)
    # A key that was sent goes before a cookie.
    current = None if token is None or "authorization" in request.headers else token.id
    sessions = [] if key is None else SessionStore(store).list_sessions(key.id)
    return sessions_view(None if key is None else key.name, sessions, current)
