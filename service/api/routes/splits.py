"""The rows of a study's parts and folds."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from service.api.dependencies import ArtifactsDependency, ReadingsDependency, SettingsDependency, StoreDependency
from service.errors import ConflictError
from service.schemas.splits import SplitView
from service.storage.dataset_files import DatasetFiles
from service.storage.store import Store
from studies.errors import DatasetError
from studies.spec.dataset import UploadedDataset
from studies.spec.study import StudySpec

router = APIRouter(prefix="/v1/studies/{name}", tags=["studies"])

_MAX_ROW_NUMBERS = 20_000_000
_MAX_ANSWER = 6 * _MAX_ROW_NUMBERS  # bytes, as the process that reads the dataset packs them


@router.get("/split", response_model=SplitView)
async def split(
    request: Request,
    name: str,
    store: StoreDependency,
    artifacts: ArtifactsDependency,
    settings: SettingsDependency,
    readings: ReadingsDependency,
) -> StreamingResponse:
    """Read which rows of the dataset are in each part and fold of a study. They follow from the study alone, so they
    are known before a worker begins.
    """
    files = DatasetFiles(artifacts, settings.cache_folder, settings.cache_bytes)
    spec, file = await run_in_threadpool(_find, store, files, name)
    found = await readings.split(request, file, spec, _MAX_ANSWER)
    if "conflict" in found:
        raise ConflictError(found["conflict"])
    return StreamingResponse(_write(spec, found), media_type="application/json")


def _find(store: Store, files: DatasetFiles, name: str) -> tuple[StudySpec, Path | None]:
    """The study, and the file of its dataset where a user uploaded one."""
    spec = store.study(name).parsed_spec
    count = spec.dataset.facts.rows * (spec.resampling.fits + 1)
    if count > _MAX_ROW_NUMBERS:
        raise ConflictError(
            f"the parts and folds of '{name}' are {count:,} row numbers; at most {_MAX_ROW_NUMBERS:,} are answered"
        )
    if not isinstance(spec.dataset, UploadedDataset) or spec.dataset.digest is None:
        return spec, None
    try:
        return spec, files(spec.dataset.digest)
    except DatasetError as error:
        raise ConflictError(str(error)) from error


def _write(spec: StudySpec, found: Mapping[str, Any]) -> Iterator[str]:
    """Write a SplitView piece by piece: whole, it could take many times the memory of its rows."""
    head = {"rows": found["rows"], "seed": spec.seed, "strategy": found["strategy"]}
    yield json.dumps(head).removesuffix("}")
    yield f', "file_rows": {"null" if found["file_rows"] is None else _numbers(found["file_rows"])}'
    yield from _parts(", ", dict(zip(("train", "validation", "test"), found["base"], strict=True)))
    yield ', "folds": ['
    for index, fold in enumerate([] if spec.resampling.kind == "holdout" else found["folds"]):
        train, validation, test = fold
        parts = {"train": train}
        if spec.resampling.nested:
            parts = {"train": train, "stopping": validation, "validation": test}
        yield from _parts(", {" if index else "{", {"validation": validation} | parts)
        yield "}"
    yield "]}"


def _parts(begin: str, parts: Mapping[str, str]) -> Iterator[str]:
    for name, rows in parts.items():
        yield f'{begin}"{name}": {_numbers(rows)}'
        begin = ", "


def _numbers(packed: str) -> str:
    import numpy as np

    return json.dumps(np.frombuffer(base64.b64decode(packed), "<i4").tolist())
