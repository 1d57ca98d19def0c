"""Predictions: a kept model on new raw rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import ArtifactsDependency, SettingsDependency, StoreDependency
from service.api.prediction_process import check, predicted
from service.api.routes.candidates import Candidate, delivered, not_both
from service.api.routes.downloads import download
from service.api.routes.trials import Chosen, chosen_trial
from service.api.uploads import format_of, received
from service.errors import CutOffError
from service.export import bundle
from service.storage.records import TrialRecord
from service.storage.store import Store
from studies.spec.table import TableFormat

router = APIRouter(prefix="/v1/studies/{name}", tags=["predictions"])


@router.post("/predict", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def predict(
    name: str,
    request: Request,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    settings: SettingsDependency,
    trial: Chosen = None,
    technique: Candidate = None,
    format: Annotated[  # noqa: A002  # the query parameter's name
        TableFormat | None, Query(description="Seen from Content-Type when left out.")
    ] = None,
) -> Response:
    """What the best trial's model says of the raw rows of a CSV, TSV, Parquet or .npz file, sent as the body; a CSV."""
    file_format = format or format_of(request.headers.get("content-type", ""))
    not_both(trial, technique)
    check()
    model = await run_in_threadpool(_model, store, name, trial, technique)
    # One at a time: each is a process with TensorFlow in it.
    async with received(request, settings.max_body_bytes) as rows, request.app.state.predicting:
        if await request.is_disconnected():
            raise CutOffError("the client hung up before its turn came")
        content = await run_in_threadpool(bundle, artifacts, model, name)
        answer = await predicted(content, rows.path, file_format)
    return download(answer, "text/csv; charset=utf-8", f"{name} predictions.csv")


def _model(store: Store, name: str, trial: int | None, technique: str | None) -> TrialRecord:
    return chosen_trial(store, name, trial)[1] if technique is None else delivered(store, name, technique)[1]
