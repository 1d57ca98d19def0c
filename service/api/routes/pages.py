"""The pages of studies and trials, the files they load, and the API's document."""

from __future__ import annotations

from shlex import quote
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.dependencies import CursorParameter, StoreDependency
from service.api.page_route import PageRoute, ViewerDependency
from service.api.responses import asset_response
from service.errors import BadRequestError, NotFoundError
from service.pages import assets
from service.pages.points import points
from service.pages.rendering import render
from service.pages.study_list import study_list
from service.pages.study_page import study_page
from service.pages.trial_page import trial_page
from service.pages.trial_table import STATES
from service.settings import Settings
from service.storage.states import StudyState, TrialState

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_YEAR = "public, max-age=31536000, immutable"


@router.get("/")
def studies(
    request: Request,
    store: StoreDependency,
    viewer: ViewerDependency,
    state: str = "",
    name_part: Annotated[str, Query(alias="name")] = "",
    project: str = "",
    cursor: CursorParameter = None,
) -> Response:
    """Show the studies, newest first."""
    if state not in {"", *StudyState}:
        raise BadRequestError("state", f"unknown state '{state}'; choose from {', '.join(StudyState)}")
    wanted = StudyState(state) if state else None
    listed = study_list(store, wanted, name_part.strip(), project or None, cursor)
    return render("list.html", viewer, list=listed, server_flag=_server_flag(request))


def _server_flag(request: Request) -> str:
    """The flag that leads a command to this server, as the browser reached it; empty where commands ask it anyway."""
    url = str(request.base_url).rstrip("/")
    return "" if url == Settings.model_fields["server_url"].default else f" --server {quote(url)}"


@router.get("/docs")
def documentation(viewer: ViewerDependency) -> Response:
    """Show the API's document with Swagger UI, which comes with the server."""
    return render("docs.html", viewer)


@router.get("/redoc")
def reference(viewer: ViewerDependency) -> Response:
    """Show the API's document with Redoc, which comes with the server too."""
    return render("redoc.html", viewer)


@router.get("/assets/{version}/{name}")
def asset(request: Request, version: str, name: str) -> Response:
    """Send a file that pages load; browsers keep it, for its address changes with it."""
    found = assets.find(name)
    if found is None:
        raise NotFoundError(f"there is no file '{name}'")
    return asset_response(request, found, {"Cache-Control": _YEAR if version == assets.version() else "no-cache"})


@router.get("/studies/{name}")
def study(
    name: str,
    store: StoreDependency,
    viewer: ViewerDependency,
    state: str = "",
    sort: str = "-number",
    cursor: CursorParameter = None,
) -> Response:
    """Show a study."""
    if state not in {"", *STATES}:
        raise BadRequestError("state", f"unknown state '{state}'; choose from {', '.join(STATES)}")
    wanted = TrialState(state) if state else None
    return render("study.html", viewer, page=study_page(store, name, viewer, wanted, sort, cursor))


@router.get("/studies/{name}/points")
def study_points(
    name: str, store: StoreDependency, first: Annotated[int, Query(ge=0, lt=2**31)] = 0
) -> list[dict[str, Any]]:
    """Send the trials from a number on as the plots of a study's page need them."""
    return points(store, name, first)


@router.get("/studies/{name}/trials/{number}")
def trial(
    name: str, number: Annotated[int, Path(ge=0, lt=2**31)], store: StoreDependency, viewer: ViewerDependency
) -> Response:
    """Show a trial."""
    return render("trial.html", viewer, page=trial_page(store, name, number, viewer))
