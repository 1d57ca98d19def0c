"""Turns errors into RFC 9457 problems: the service's, those of validation and of the database, and unforeseen ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from service.errors import ForbiddenError, ServiceError, UnauthenticatedError
from studies.errors import FieldError, InvalidSpecError
from studies.study_file import field_errors

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = "5"

#: What SQLAlchemy raises when the database does not answer.
DATABASE_ERRORS = (OperationalError, InterfaceError, PoolTimeoutError)


def problem(status: int, title: str, detail: str, errors: Sequence[FieldError] = (), **more: str) -> JSONResponse:
    """A problem+json answer; `errors` name the fields that are wrong, `more` are members beside the standard's."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    body["errors"] = [{"field": error.field, "message": error.message} for error in errors]
    return _ProblemResponse(body, status, media_type="application/problem+json")


class _ProblemResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        # A sentence may repeat half a character that the request had, which JSON can only escape.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def install(app: FastAPI) -> None:
    """Give an app its error handlers."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(InvalidSpecError, _on_invalid_spec)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for unavailable in DATABASE_ERRORS:
        app.add_exception_handler(unavailable, _on_database_error)
    app.add_exception_handler(Exception, _on_unexpected_error)


def _on_service_error(_: Request, error: Exception) -> JSONResponse:
    return of_service_error(cast(ServiceError, error))


def of_service_error(error: ServiceError) -> JSONResponse:
    """The answer to an error of the service."""
    response = problem(error.status, error.title, str(error), error.fields)
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = _RETRY_SECONDS
    if isinstance(error, UnauthenticatedError | ForbiddenError) and error.challenge is not None:
        response.headers["WWW-Authenticate"] = error.challenge
    return response


def _on_invalid_spec(_: Request, error: Exception) -> JSONResponse:
    error = cast(InvalidSpecError, error)
    return problem(422, "Invalid study", str(error), error.errors)


def _on_validation_error(_: Request, error: Exception) -> JSONResponse:
    error = cast(RequestValidationError, error)
    details = list(error.errors())
    if any(e["type"] == "json_invalid" for e in details):
        reason = str(details[0].get("ctx", {}).get("error", "")).lower()
        return problem(400, "Not JSON", f"the body is not JSON: {reason}", [FieldError("", f"not JSON: {reason}")])
    # The first part of a location says where the value stood: body, query, path.
    errors = field_errors([e | {"loc": e["loc"][1:]} for e in details])
    return problem(422, "Invalid request", str(InvalidSpecError(errors)), errors)


def _on_http_exception(_: Request, error: Exception) -> JSONResponse:
    error = cast(HTTPException, error)
    response = problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    return answer_database_error(request.url.path, error)


def answer_database_error(path: str, error: Exception) -> JSONResponse:
    """Log a database error; return its answer."""
    _log.error("database error", path=path, error=str(error))
    response = problem(503, "Storage unavailable", "the database does not answer; try again in a few seconds")
    response.headers["Retry-After"] = _RETRY_SECONDS
    return response


def _on_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    _log.error("unforeseen error", path=request.url.path, exc_info=error)
    return problem(500, "Internal error", f"{type(error).__name__}; the server's log has the details")
