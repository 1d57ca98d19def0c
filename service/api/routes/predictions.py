"""Predictions: a kept model on new raw rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import ArtifactsDependency, EncodingDependency, SettingsDependency, StoreDependency
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

_MAX_IN_HEADER = 20  # columns: a proxy refuses long headers

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
    id: Annotated[str | None, Query(description="A column to carry through to the predictions.")] = None,  # noqa: A002
    strict: Annotated[
        bool, Query(description="Refuse rows with a value that training never saw, instead of telling it.")
    ] = False,
) -> Response:
    """Predict raw rows with the best trial's model. The body is a file as of a dataset.

    Answers a CSV, one line a row, or JSON where Accept asks for it. What training never saw, unknown levels and values
    that are missing where training had one, is told column by column: in JSON as `unfamiliar`, with a CSV in the header
    Regsweep-Unfamiliar, whose JSON has column, what and count of the first 20.
    """
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
        as_json = "application/json" in request.headers.get("accept", "")
        predicted = await predict_rows(
            content, rows.path, file_format, encoding, as_json=as_json, id_column=id, strict=strict
        )
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


def _model(store: Store, name: str, trial: int | None, technique: str | None) -> TrialRecord:
    return find_trial(store, name, trial)[1] if technique is None else find_delivered(store, name, technique)[1]
