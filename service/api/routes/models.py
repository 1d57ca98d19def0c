"""The model of a trial: the file, the export with its preprocessing, and Keras code."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.api.dependencies import ArtifactsDependency, StoreDependency
from service.api.model_choice import CandidateParameter, TrialParameter, check_one_named
from service.api.responses import download_response
from service.export import bundle, model_path
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


@router.get("/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def export(name: str, store: StoreDependency, artifacts: ArtifactsDependency, trial: TrialParameter = None) -> Response:
    """Download the best trial's model with the fitted preprocessing of its raw rows and a README, as a zip."""
    _, record = find_trial(store, name, trial)
    content = bundle(artifacts, record, store.detail(record), f"{name} {record.number}")
    return download_response(content, "application/zip", f"{name} {record.number}.zip")


@router.get("/snippet", response_class=Response, responses={200: {"content": {"text/x-python": {}}}})
def snippet(
    name: str, store: StoreDependency, trial: TrialParameter = None, technique: CandidateParameter = None
) -> Response:
    """Read Keras code that rebuilds and trains the best trial, or a technique that was compared."""
    check_one_named(trial, technique)
    code = trial_code(store, name, trial) if technique is None else candidate_code(store, name, technique)
    return Response(code, media_type="text/x-python; charset=utf-8")
