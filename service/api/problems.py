"""Turns errors into RFC 9457 problems, or pages: the service's, of validation, of the database, and unforeseen ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from structlog.contextvars import get_contextvars

from service.api.error_page import error_page, wants_page
from service.api.route_table import allowed_methods
from service.errors import (
    ArtifactError,
    BackupError,
    CutOffError,
    ForbiddenError,
    MigrationError,
    RateLimitedError,
    ServiceError,
    StorageError,
    UnauthenticatedError,
)
from studies.errors import MAX_MESSAGE, FieldError, InvalidSpecError, bounded, shorten
from studies.field_errors import field_errors

_log = structlog.get_logger(__name__)
RETRY_SECONDS = "5"
#: Characters of a sentence that names several errors; any other has those of a message.
MAX_DETAIL = 10_000

#: What SQLAlchemy raises when the database does not answer.
DATABASE_ERRORS = (OperationalError, InterfaceError, PoolTimeoutError)
_DETAILS: dict[type[Exception], str] = {
    MigrationError: "the database has another schema than this version's; the server's log says why",
    BackupError: "the database cannot be copied before its schema changes; the server's log says why",
}


def problem(status: int, title: str, detail: str, errors: Sequence[FieldError] = (), **more: str) -> JSONResponse:
    """A problem+json answer; `errors` name the fields that are wrong, `more` are members beside the standard's."""
    detail = _bounded(detail, errors)
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    body["errors"] = [{"field": error.field, "message": error.message} for error in bounded(errors)]
    if (request_id := get_contextvars().get("request_id")) is not None:
        body["request_id"] = request_id  # under which the server's log has more of it
    return _ProblemResponse(body, status, media_type="application/problem+json")


def _bounded(detail: str, errors: Sequence[FieldError]) -> str:
    """A sentence that repeats no more of a request than a person reads."""
    return shorten(detail, MAX_DETAIL if errors else MAX_MESSAGE)


class _ProblemResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        # A sentence may repeat half a character that the request had, which JSON can only escape.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def answer(
    request: Request,
    status: int,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    *,
    may_pass: bool = True,
) -> Response:
    """Answer a request that failed: with a page where a browser shows it, else with a problem."""
    if wants_page(request):
        return error_page(request, status, title, _bounded(detail, errors), may_pass=may_pass)
    return problem(status, title, detail, errors)


def install(app: FastAPI) -> None:
    """Give an app its error handlers."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(InvalidSpecError, _on_invalid_spec)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_client_disconnect)
    for unavailable in DATABASE_ERRORS:
        app.add_exception_handler(unavailable, answer_database_error)
    app.add_exception_handler(Exception, _on_unexpected_error)


def _on_service_error(request: Request, error: Exception) -> Response:
    return answer_service_error(request, cast(ServiceError, error))


def answer_service_error(request: Request, error: ServiceError) -> Response:
    """Answer a request with an error of the service."""
    if isinstance(error, StorageError) and not isinstance(error, ArtifactError):
        return answer_database_error(request, error)
    response = answer(request, error.status, error.title, str(error), error.fields)
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = RETRY_SECONDS
    if isinstance(error, RateLimitedError):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnauthenticatedError | ForbiddenError) and error.challenge is not None:
        response.headers["WWW-Authenticate"] = error.challenge
    return response


def _on_invalid_spec(_: Request, error: Exception) -> JSONResponse:
    error = cast(InvalidSpecError, error)
    return problem(422, error.title, str(error), error.errors)


def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    error = cast(RequestValidationError, error)
    # The first part of a location says where the value stood: body, query, path.
    errors = field_errors([e | {"loc": e["loc"][1:]} for e in error.errors()], _body_model(request))
    return problem(422, "Invalid request", str(InvalidSpecError(errors)), errors)


def _body_model(request: Request) -> Any:
    """What the body of a request's route is read as; None where it has none."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return None if field is None else field.field_info.annotation


def _on_http_exception(request: Request, error: Exception) -> Response:
    error = cast(HTTPException, error)
    detail, headers = str(error.detail), dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(allowed_methods(request.scope))  # the router knows those of one route alone
        detail = f"{request.method} is not possible here; this path takes {headers['Allow']}"
    response = answer(request, error.status_code, HTTPStatus(error.status_code).phrase, detail)
    response.headers.update(headers)
    return response


def _on_client_disconnect(request: Request, _: Exception) -> Response:
    """Answer a client that hung up while its body was read: nobody reads it, and nothing is wrong here."""
    return answer_service_error(request, CutOffError("the client hung up before the body was whole"))


def answer_database_error(request: Request, error: Exception) -> Response:
    """Log a database error; return its answer, which names no path or host: who asks may have no key."""
    _log.error("database error", path=request.url.path, error=str(error))
    may_pass = not isinstance(error, MigrationError)
    detail = _DETAILS.get(type(error), "the database does not answer; try again in a few seconds")
    response = answer(request, 503, StorageError.title, detail, may_pass=may_pass)
    if may_pass:
        response.headers["Retry-After"] = RETRY_SECONDS
    return response


def _on_unexpected_error(request: Request, error: Exception) -> Response:
    _log.error("unforeseen error", path=request.url.path, exc_info=error)
    return answer(request, 500, "Internal error", f"{type(error).__name__}; the server's log has the details")
