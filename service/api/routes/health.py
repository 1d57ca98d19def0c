"""The server's health and readiness, and the JSON schema of a study."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request, Response

from service.api.authentication import Authenticator
from service.api.dependencies import AuthenticatorDependency
from service.api.guard import check_key
from service.api.problems import DATABASE_ERRORS
from service.api.readiness import Name, Readiness
from service.errors import ServiceError
from service.schemas.health import CheckView, HealthView, ReadinessView
from service.version import VERSION

router = APIRouter()


@router.get("/healthz", tags=["service"])
def healthz() -> HealthView:
    """Answer as soon as the server does, without looking at the database."""
    return HealthView(version=VERSION)


@router.get("/readyz", tags=["service"], responses={503: {"model": ReadinessView}})
def readyz(
    request: Request,
    response: Response,
    authenticator: AuthenticatorDependency,
    exclude: Annotated[
        list[Name] | None,
        Query(
            description="Checks that do not count, as `workers` for a server that workers wait for; may be repeated."
        ),
    ] = None,
) -> ReadinessView:
    """Check the database, its schema, the artifacts and the workers: 200 when all are as they must be, else 503.

    Takes at most three seconds; the same is answered for three seconds. Who may read sees what is wrong.
    """
    found = cast(Readiness, request.app.state.readiness).check()
    # The key is in the database.
    shows = found["database"].is_ok and _may_read(authenticator, request)
    checks = [
        CheckView(name=name, status="ok" if check.is_ok else "failed", detail=check.detail if shows else None)
        for name, check in found.items()
        if name not in (exclude or ())
    ]
    is_ready = all(check.status == "ok" for check in checks)
    response.status_code = 200 if is_ready else 503
    response.headers["Cache-Control"] = "no-store"
    return ReadinessView(status="ready" if is_ready else "not ready", checks=checks)


def _may_read(authenticator: Authenticator, request: Request) -> bool:
    try:
        check_key(authenticator, request, "read")
    except (ServiceError, *DATABASE_ERRORS):
        return False
    return True


@cache
def _schema() -> dict[str, Any]:
    from studies.study_file import schema

    return schema()


@router.get("/v1/schema", tags=["studies"])
def study_schema() -> dict[str, Any]:
    """Read the JSON schema of a study: each field with its meaning, unit and default; the options of samplers and
    pruners under `x-samplers` and `x-pruners`.
    """
    return _schema()
