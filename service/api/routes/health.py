"""The server's health, and the JSON schema of a study."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter

from service.schemas.health import HealthView
from service.version import VERSION

router = APIRouter()


@router.get("/healthz", tags=["service"])
def healthz() -> HealthView:
    """Answer as soon as the server does, without looking at the database."""
    return HealthView(version=VERSION)


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
