"""The model of a trial: the file, the export with its preprocessing, and Keras code."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import ArtifactsDependency, ReadingsDependency, SettingsDependency, StoreDependency
from service.api.model_choice import CandidateParameter, TrialParameter, check_one_named
from service.api.model_export import EXPORT_RESPONSES, FormatDependency, export_model
from service.api.responses import download_response
from service.export import model_path
from service.snippets import candidate_code, trial_code
from service.trained_models import find_trial

router = APIRouter(prefix="/v1/studies/{name}", tags=["trials"])


@router.get("/model", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def model(name: str, store: StoreDependency, artifacts: ArtifactsDependency, trial: TrialParameter = None) -> Response:
    """Download the best trial's trained model, a .keras file."""
    _, record = find_trial(store, name, trial)
    return download_response(
        artifacts.read(model_path(record)), "application/octet-stream", f"{name} {record.number}.keras"
    )


@router.get("/export", response_class=Response, responses=EXPORT_RESPONSES)
async def export(
    name: str,
    request: Request,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    readings: ReadingsDependency,
    settings: SettingsDependency,
    file_format: FormatDependency,
    trial: TrialParameter = None,
) -> Response:
    """Download the best trial's model with the fitted preprocessing of its raw rows and a README, as a zip, or both as
    one model that takes raw rows.
    """
    _, record = await run_in_threadpool(find_trial, store, name, trial)
    title = f"{name} {record.number}"
    return await export_model(request, readings, settings.max_parameters, store, artifacts, record, title, file_format)


@router.get("/snippet", response_class=Response, responses={200: {"content": {"text/x-python": {}}}})
def snippet(
    name: str, store: StoreDependency, trial: TrialParameter = None, technique: CandidateParameter = None
) -> Response:
    """Read Keras code that rebuilds and trains the best trial, or a technique that was compared."""
    check_one_named(trial, technique)
    code = trial_code(store, name, trial) if technique is None else candidate_code(store, name, technique)
    return Response(code, media_type="text/x-python; charset=utf-8")
