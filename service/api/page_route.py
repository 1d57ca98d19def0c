"""What the routes of all pages share: who looks, and errors as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from service.api.error_page import error_page, viewer_of
from service.errors import NotFoundError, ServiceError
from service.pages.viewer import Viewer

#: Who looks at a page.
ViewerDependency = Annotated[Viewer, Depends(viewer_of)]


class PageRoute(APIRoute):
    """A route whose refusals are pages with the sentence that the API would give."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except ServiceError as error:
                return error_page(request, error.status, error.title, str(error))
            except RequestValidationError:
                missing = f"there is no page at {request.url.path}"
                return error_page(request, NotFoundError.status, NotFoundError.title, missing)

        return handle_page
