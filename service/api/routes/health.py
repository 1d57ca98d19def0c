"""Whether the server answers, and what a study may say."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter

from service.schemas import HealthView
from service.version import VERSION

router = APIRouter()


@router.get("/healthz", tags=["service"])
def healthz() -> HealthView:
    """Answers as soon as the server does."""
    return HealthView(version=VERSION)


@cache
def _schema() -> dict[str, Any]:
    from studies.study_file import schema

    return schema()


@router.get("/v1/schema", tags=["studies"])
def study_schema() -> dict[str, Any]:
    """JSON schema of a study, each field with its meaning, unit and default; options of samplers and pruners under
    `x-samplers` and `x-pruners`.
    """
    return _schema()
