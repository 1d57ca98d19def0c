"""Predictions: a kept model on new raw rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import (
    ArtifactsDependency,
    EncodingDependency,
    SettingsDependency,
    SheetParameter,
    StoreDependency,
)
from service.api.model_choice import (
    CandidateParameter,
    TrialParameter,
    check_one_named,
    find_delivered,
    find_trial,
)
from service.api.prediction_process import check_installed, predict_rows
from service.api.responses import download_response
from service.api.uploads import format_of_content_type, receive
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
    encoding: EncodingDependency,
    trial: TrialParameter = None,
    technique: CandidateParameter = None,
    format: Annotated[  # noqa: A002  # the query parameter's name
        TableFormat | None, Query(description="Of the body; taken from Content-Type when left out.")
    ] = None,
    sheet: SheetParameter = None,
) -> Response:
    """Predict raw rows with the best trial's model; answer with a CSV. The body is a file as of a dataset."""
    file_format = format or format_of_content_type(request.headers.get("content-type", ""))
    check_one_named(trial, technique)
    check_installed()
    model = await run_in_threadpool(_model, store, name, trial, technique)
    # One at a time: each is a process with TensorFlow in it.
    async with (
        receive(request, settings.max_body_bytes, "REGSWEEP_MAX_BODY_BYTES") as rows,
        request.app.state.one_prediction,
    ):
        if await request.is_disconnected():
            raise CutOffError("the client hung up before its turn came")
        content = await run_in_threadpool(bundle, artifacts, model, name)
        predictions = await predict_rows(content, rows.path, file_format, encoding, sheet)
    return download_response(predictions, "text/csv; charset=utf-8", f"{name} predictions.csv")


def _model(store: Store, name: str, trial: int | None, technique: str | None) -> TrialRecord:
    return find_trial(store, name, trial)[1] if technique is None else find_delivered(store, name, technique)[1]
