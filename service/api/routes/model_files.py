"""Keras models in files: what is in one, before a study is made of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from service.api.dependencies import ReadingsDependency, SettingsDependency
from service.api.uploads import receive
from service.schemas.models import ModelView

router = APIRouter(prefix="/v1/models", tags=["models"])

_FILE = {"type": "string", "format": "binary"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string"}},  # of any other type it is taken too
            "application/zip": {"schema": _FILE},
            "multipart/form-data": {"schema": {"properties": {"file": _FILE}, "required": ["file"], "type": "object"}},
        },
    }
}


@router.post("/read", openapi_extra=_BODY)
async def read(
    request: Request,
    readings: ReadingsDependency,
    settings: SettingsDependency,
    weights: Annotated[
        bool, Query(description="Answer the weights of a .keras file too, for a study that starts from them.")
    ] = False,
) -> ModelView:
    """Read a Keras model, the text of `model.to_json()` or a .keras file, sent as the body, or as the part `file` of a
    form; answers the `model` of a study's document and the layers with their parameters. Nothing of it is kept.
    """
    # A .keras file has the weights too: it may be as large as a dataset.
    async with (
        readings.receiving(request),
        receive(request, settings.max_upload_bytes, "REGSWEEP_MAX_UPLOAD_BYTES") as (file, _),
    ):
        return await readings.read_model(request, file.path, weights=weights)
