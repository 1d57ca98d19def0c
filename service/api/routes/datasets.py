"""Datasets: upload, list, profile, preview, the file itself, delete."""

from __future__ import annotations

import re
from contextlib import nullcontext
from itertools import chain
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service import ingestion
from service.api.dependencies import (
    ArtifactsDependency,
    DatasetsDependency,
    EncodingDependency,
    SettingsDependency,
    SheetParameter,
)
from service.api.uploads import format_of_content_type, receive
from service.schemas.datasets import DatasetDetail, DatasetView
from service.storage.dataset_files import DatasetFiles, file_path
from service.views import dataset_detail, dataset_view
from studies.objectives import Task
from studies.spec.study import NAME_PATTERN
from studies.spec.table import TableFormat

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_LARGE_BYTES = 50_000_000
Columns = Annotated[list[str] | None, Query(description="Columns that are not read; may be repeated.")]
RowCount = Annotated[int, Query(ge=1, le=1000, description="Number of rows.")]


@router.post("", status_code=201)
async def upload(
    request: Request,
    response: Response,
    datasets: DatasetsDependency,
    settings: SettingsDependency,
    encoding: EncodingDependency,
    target: Annotated[str, Query(description="The column to predict.")],
    name: Annotated[
        str | None, Query(pattern=NAME_PATTERN, description="Made of the target and the file's digest when left out.")
    ] = None,
    task: Annotated[Task | None, Query(description="Inferred from the target column when left out.")] = None,
    ignore: Columns = None,
    weight: Annotated[str | None, Query(description="The column with the weight of each row.")] = None,
    group: Annotated[
        str | None, Query(description="The column whose equal values stay in one part of a split.")
    ] = None,
    time: Annotated[str | None, Query(description="The column that orders the rows in time.")] = None,
    format: Annotated[  # noqa: A002  # the query parameter's name
        TableFormat | None, Query(description="Of the body; taken from Content-Type when left out.")
    ] = None,
    sheet: SheetParameter = None,
) -> DatasetDetail:
    """Upload a CSV, TSV, Excel, JSON lines, Parquet, Feather or .npz file, sent as the body; texts may be gzip data.

    The same file with the same options is the same dataset, and is answered with 200.
    """
    columns = {"target": target, "task": task, "ignore": ignore or (), "weight": weight, "group": group, "time": time}
    file_format = format or format_of_content_type(request.headers.get("content-type", ""))
    options = ingestion.check_options(columns | {"encoding": encoding, "sheet": sheet})
    one_large = request.app.state.one_large_dataset
    async with (
        receive(request, settings.max_upload_bytes, "REGSWEEP_MAX_UPLOAD_BYTES") as file,
        # Large files are read one at a time: each may take a good part of the memory.
        one_large if file.size > _LARGE_BYTES else nullcontext(),
    ):
        record, is_new = await run_in_threadpool(ingestion.keep, datasets, file, name, file_format, options)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/datasets/{quote(record.name)}"
    return dataset_detail(record)


@router.get("")
def list_datasets(datasets: DatasetsDependency) -> list[DatasetView]:
    """List the uploaded datasets, newest first, then the bundled and the synthetic ones."""
    from studies.spec.dataset import BUILTIN, SYNTHETIC, SyntheticDataset

    included = [("builtin", str(name), facts) for name, facts in BUILTIN.items()]
    included += [("synthetic", str(name), SyntheticDataset(kind="synthetic", name=name).facts) for name in SYNTHETIC]
    uploaded = [("uploaded", record.name, dataset_detail(record).profile.facts) for record in datasets.list_datasets()]
    return [dataset_view(kind, name, facts) for kind, name, facts in (*uploaded, *included)]


@router.get("/{name}")
def read(name: str, datasets: DatasetsDependency) -> DatasetDetail:
    """Read an uploaded dataset with its profile: columns, types, missing values, classes, the target's histogram."""
    return dataset_detail(datasets.find(name))


@router.get("/{name}/preview")
def preview(
    name: str,
    datasets: DatasetsDependency,
    artifacts: ArtifactsDependency,
    settings: SettingsDependency,
    rows: RowCount = 10,
) -> dict[str, Any]:
    """Read the first rows of an uploaded dataset."""
    from studies.datasets.preview import preview

    record = datasets.find(name)
    file, dataset = DatasetFiles(artifacts, settings.cache_folder)(record.digest), dataset_detail(record)
    return preview(file, dataset.format, rows, dataset.options.encoding, dataset.options.sheet)


@router.get("/{name}/file", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def file(name: str, datasets: DatasetsDependency, artifacts: ArtifactsDependency) -> Response:
    """Download the file as it was uploaded."""
    from starlette.responses import StreamingResponse

    record = datasets.find(name)
    blocks = artifacts.blocks(file_path(record.digest))
    start = next(blocks, b"")
    file_name = (
        re.sub(r"[^\w .-]", "_", record.name) + f".{record.format}" + (".gz" if start[:2] == b"\x1f\x8b" else "")
    )
    headers = {
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Content-Length": str(record.bytes),
    }
    return StreamingResponse(chain([start], blocks), 200, headers, "application/octet-stream")


@router.delete("/{name}", status_code=204)
def delete(name: str, datasets: DatasetsDependency) -> None:
    """Delete an uploaded dataset and its file; refused while a study is about it."""
    datasets.delete(name)
