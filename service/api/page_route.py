"""What the routes of all pages share: who looks, and errors as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from service.errors import NotFoundError, ServiceError
from service.pages.rendering import render
from service.pages.viewer import ANYONE_HERE, Viewer
from service.scopes import Scope
from service.storage.records import KeyRecord


def _viewer(request: Request) -> Viewer:
    record: KeyRecord | None = request.state.key
    return ANYONE_HERE if record is None else Viewer(record.name, cast(Scope, record.scope))


#: The guard has let the request pass, and kept its key: None only while none was made.
ViewerDependency = Annotated[Viewer, Depends(_viewer)]


def _error_page(request: Request, error: ServiceError) -> Response:
    viewer = _viewer(request) if hasattr(request.state, "key") else None  # files need no key, so none was looked up
    return render("error.html", viewer, error.status, title=error.title, sentence=str(error))


class PageRoute(APIRoute):
    """A route whose refusals are pages with the sentence that the API would give."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except ServiceError as error:
                return _error_page(request, error)
            except RequestValidationError:
                return _error_page(request, NotFoundError(f"there is no page at {request.url.path}"))

        return handle_page
