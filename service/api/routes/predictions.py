"""Predictions: a kept model on new raw rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import ArtifactsDependency, ReadingsDependency, SettingsDependency, StoreDependency
from service.api.model_choice import CandidateParameter, TrialParameter, check_one_named
from service.api.prediction_process import Predicted, check_installed, predict_rows
from service.api.responses import download_response
from service.api.uploads import Description, body_schema, receive, sent_as_body
from service.export import bundle
from service.schemas.predictions import PredictionsView
from service.storage.records import TrialRecord
from service.storage.store import Store
from service.trained_models import find_delivered, find_trial
from studies.spec.table import Encoding, SheetName, TableFormat

_MAX_IN_HEADER = 20  # columns: a proxy refuses long headers

router = APIRouter(prefix="/v1/studies/{name}", tags=["predictions"])


class PredictionOptions(BaseModel):
    """What a request says of its rows, and of the model that predicts them, in its query or in its form."""

    model_config = ConfigDict(extra="forbid")

    trial: TrialParameter = None
    technique: CandidateParameter = None
    format: TableFormat | None = Field(
        None, description="Of the file; taken from its Content-Type, then from its name, when left out."
    )
    encoding: Encoding | None = Field(
        None, description="Of a text, as cp1252; taken from its Content-Type's charset, or seen from it, when left out."
    )
    sheet: SheetName | None = Field(None, description="Of a workbook; the first that is shown when left out.")
    id: str | None = Field(None, description="A column to carry through to the predictions.")
    strict: bool = Field(False, description="Refuse rows with a value that training never saw, instead of telling it.")


@router.post(
    "/predict",
    response_class=Response,
    responses={200: {"model": PredictionsView, "content": {"text/csv": {}}}},
    openapi_extra=body_schema(PredictionOptions),
)
async def predict(
    name: str,
    request: Request,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    readings: ReadingsDependency,
    settings: SettingsDependency,
    query: Annotated[PredictionOptions, Query()],
) -> Response:
    """Predict raw rows with the best trial's model. The rows are a file as of a dataset, sent as the body, or as the
    part `file` of a form whose other fields are the options.

    Answers a CSV, one line a row, or JSON where Accept asks for it. What training never saw, unknown levels and values
    that are missing where training had one, is told column by column: in JSON as `unfamiliar`, with a CSV in the header
    Regsweep-Unfamiliar, whose JSON has column, what and count of the first 20.
    """
    body = sent_as_body(request)
    found = None if body is None else await _find_model(store, name, query, body)  # before it comes
    async with (
        readings.receiving(request),
        receive(request, settings.max_body_bytes, "REGSWEEP_MAX_BODY_BYTES") as (rows, description),
    ):
        asked = description.complete(query)
        file_format, model = found or await _find_model(store, name, asked, description)
        as_json = "application/json" in request.headers.get("accept", "")

        async def predict_file() -> Predicted:
            content = await run_in_threadpool(bundle, artifacts, model, store.detail(model), name)
            return await predict_rows(
                content,
                rows.path,
                file_format,
                asked.encoding or description.encoding,
                asked.sheet,
                as_json=as_json,
                id_column=asked.id,
                strict=asked.strict,
                limits=readings.largest,
                max_parameters=settings.max_parameters,
            )

        predicted = await readings.predict(request, predict_file)
    if as_json:
        return Response(predicted.content, media_type="application/json")
    response = download_response(predicted.content, "text/csv; charset=utf-8", f"{name} predictions.csv")
    if predicted.unfamiliar:
        response.headers["Regsweep-Unfamiliar"] = _header(predicted.unfamiliar)
    return response


def _header(unfamiliar: Sequence[Mapping[str, Any]]) -> str:
    """What training never saw as JSON that a header can hold."""
    short = [{key: one[key] for key in ("column", "what", "count")} for one in unfamiliar[:_MAX_IN_HEADER]]
    return json.dumps(short)


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
