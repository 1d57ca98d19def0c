"""Predictions: a kept model on new raw rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import ArtifactsDependency, SettingsDependency, StoreDependency
from service.api.model_choice import (
    CandidateParameter,
    TrialParameter,
    check_one_named,
    find_delivered,
    find_trial,
)
from service.api.prediction_process import check_installed, predict_rows
from service.api.responses import download_response
from service.api.uploads import Description, body_schema, receive, sent_as_body
from service.errors import CutOffError
from service.export import bundle
from service.storage.records import TrialRecord
from service.storage.store import Store
from studies.spec.table import TableFormat

router = APIRouter(prefix="/v1/studies/{name}", tags=["predictions"])


class PredictionOptions(BaseModel):
    """What a request says of its rows, and of the model that predicts them, in its query or in its form."""

    trial: TrialParameter = None
    technique: CandidateParameter = None
    format: TableFormat | None = Field(
        None, description="Of the file; taken from its Content-Type, then from its name, when left out."
    )


@router.post(
    "/predict",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}},
    openapi_extra=body_schema(PredictionOptions),
)
async def predict(
    name: str,
    request: Request,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    settings: SettingsDependency,
    query: Annotated[PredictionOptions, Query()],
) -> Response:
    """Predict raw rows with the best trial's model; answer with a CSV. The rows are a CSV, TSV, Parquet or .npz file,
    sent as the body, or as the part `file` of a form whose other fields are the options.
    """
    body = sent_as_body(request)
    found = None if body is None else await _find_model(store, name, query, body)  # before it comes
    async with receive(request, settings.max_body_bytes, "REGSWEEP_MAX_BODY_BYTES") as (rows, description):
        file_format, model = found or await _find_model(store, name, description.complete(query), description)
        # One at a time: each is a process with TensorFlow in it.
        async with request.app.state.one_prediction:
            if await request.is_disconnected():
                raise CutOffError("the client hung up before its turn came")
            content = await run_in_threadpool(bundle, artifacts, model, name)
            predictions = await predict_rows(content, rows.path, file_format)
    return download_response(predictions, "text/csv; charset=utf-8", f"{name} predictions.csv")


async def _find_model(
    store: Store, name: str, asked: PredictionOptions, description: Description
) -> tuple[TableFormat, TrialRecord]:
    """The format of the rows, and the trial whose model predicts them."""
    file_format = asked.format or description.format
    check_one_named(asked.trial, asked.technique)
    check_installed()
    return file_format, await run_in_threadpool(_model, store, name, asked.trial, asked.technique)


def _model(store: Store, name: str, trial: int | None, technique: str | None) -> TrialRecord:
    return find_trial(store, name, trial)[1] if technique is None else find_delivered(store, name, technique)[1]
