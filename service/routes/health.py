"""Whether the server answers, and what a study may say."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter

from service.schemas import DatasetView, HealthView
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


@router.get("/v1/datasets", tags=["datasets"])
def datasets() -> list[DatasetView]:
    """The bundled and synthetic datasets."""
    from studies.dataset_spec import BUILTIN, SYNTHETIC, SyntheticDataset

    known = [("builtin", str(name), facts) for name, facts in BUILTIN.items()]
    known += [("synthetic", str(name), SyntheticDataset(kind="synthetic", name=name).facts) for name in SYNTHETIC]
    return [
        DatasetView(
            kind=kind,
            name=name,
            task=facts.task,
            rows=facts.rows,
            shape=list(facts.shape),
            classes=facts.classes,
            about=facts.about,
        )
        for kind, name, facts in known
    ]
