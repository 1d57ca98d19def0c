"""The app's routes as a table: a path's template and methods, and which query parameters a request may have."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.types import Scope

#: What a path with a GET takes beside it.
_BESIDE_GET = frozenset({"HEAD"})


def allowed_methods(scope: Scope) -> list[str]:
    """The methods that a request's path takes, sorted; none where the path is no route of ours.

    `/v1/studies/check` is a path of its own, as in the OpenAPI document, though a study could have that name.
    """
    routes = list(_routes(scope))
    fewest = min((_parameters(route) for route in routes), default=0)
    methods: set[str] = set().union(*(route.methods or () for route in routes if _parameters(route) == fewest))
    if not methods:
        return []
    return sorted(methods | {"OPTIONS"} | (_BESIDE_GET if "GET" in methods else frozenset()))


def template(scope: Scope) -> str | None:
    """The template of a request's path, also where the request was refused before its route was looked for."""
    found = min(_routes(scope), key=_parameters, default=None)
    return None if found is None else found.path


def query_parameters(scope: Scope) -> list[str] | None:
    """The names of the query parameters that a request of the API may have; None where no operation takes it."""
    for route in _routes(scope):
        if scope["method"] in (route.methods or ()) and getattr(route, "include_in_schema", False):
            # Fields of a model that stands for all parameters of a query say nothing of where they stand.
            fields = get_flat_params(route.dependant) if hasattr(route, "dependant") else []
            return [field.alias for field in fields if getattr(field.field_info, "in_", None) in _IN_QUERY]
    return None


_IN_QUERY = {None, ParamTypes.query}


def _parameters(route: RouteContext) -> int:
    return (route.path or "").count("{")


def _routes(scope: Scope) -> Iterator[RouteContext]:
    path = scope["path"]  # without a proxy's prefix, which behind_proxy.py has taken off
    for route in iter_route_contexts(scope["app"].routes):
        regex = getattr(route, "path_regex", None)
        if regex is not None and regex.match(path):
            yield route
