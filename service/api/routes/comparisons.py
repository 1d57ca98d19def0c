"""A study's comparison of techniques: begin, read, stop, delete, and its models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from starlette.concurrency import run_in_threadpool

from service import limits
from service.api.dependencies import (
    ArtifactsDependency,
    DashboardDependency,
    IfMatchDependency,
    ReadingsDependency,
    SettingsDependency,
    StoreDependency,
)
from service.api.json_route import JsonRoute
from service.api.model_choice import CandidateParameter
from service.api.model_export import EXPORT_RESPONSES, FormatDependency, export_model
from service.api.responses import download_response
from service.export import model_path
from service.schemas.comparisons import ComparisonView
from service.storage.comparison_store import ComparisonStore
from service.trained_models import find_delivered
from service.views.comparisons import comparison_view
from studies.spec.comparison import ComparisonSpec

router = APIRouter(prefix="/v1/studies/{name}", tags=["comparison"], route_class=JsonRoute)

ComparisonBody = Annotated[
    ComparisonSpec | None, Body(description="What to compare, and how; every field has a default.")
]


@router.post("/comparison", status_code=202)
def ask(
    name: str,
    store: StoreDependency,
    settings: SettingsDependency,
    etags: IfMatchDependency,
    comparison: ComparisonBody = None,
) -> ComparisonView:
    """Compare techniques: search each alone, confirm it on folds, measure it on the test part. A study can be compared
    while it runs and after it has ended.
    """
    spec = comparison or ComparisonSpec()
    limits.check_comparison(spec, settings)
    ComparisonStore(store).begin(name, spec, etags, settings.max_active_studies)
    return comparison_view(store, name)


@router.get("/comparison")
def read(name: str, store: StoreDependency) -> ComparisonView:
    """Read a comparison: its progress and, once it has ended, the table, the differences and the recommendation."""
    return comparison_view(store, name)


@router.get(
    "/comparison/model", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}}
)
def model(
    name: str, store: StoreDependency, artifacts: ArtifactsDependency, technique: CandidateParameter = None
) -> Response:
    """Download a candidate's model, trained with its best parameters; by default the recommended one's."""
    candidate, trial = find_delivered(store, name, technique)
    return download_response(artifacts.read(model_path(trial)), "application/octet-stream", f"{name} {candidate}.keras")


@router.get("/comparison/export", response_class=Response, responses=EXPORT_RESPONSES)
async def export(
    name: str,
    request: Request,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    readings: ReadingsDependency,
    settings: SettingsDependency,
    file_format: FormatDependency,
    technique: CandidateParameter = None,
) -> Response:
    """Download the same model with the fitted preprocessing of its raw rows and a README, as a zip, or both as one
    model that takes raw rows.
    """
    candidate, trial = await run_in_threadpool(find_delivered, store, name, technique)
    title = f"{name} {candidate}"
    return await export_model(request, readings, settings.max_parameters, store, artifacts, trial, title, file_format)


@router.post("/comparison/stop")
def stop(name: str, store: StoreDependency, etags: IfMatchDependency) -> ComparisonView:
    """End a comparison and keep its results."""
    ComparisonStore(store).stop(name, etags)
    return comparison_view(store, name)


@router.delete("/comparison", status_code=204)
def delete(
    name: str,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    dashboard: DashboardDependency,
    etags: IfMatchDependency,
) -> None:
    """Delete a comparison, also a running one, so that the study can be compared anew."""
    deleted = ComparisonStore(store).delete(name, etags)
    dashboard.forget()
    artifacts.remove_studies(deleted)
