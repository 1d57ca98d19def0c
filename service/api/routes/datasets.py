"""Datasets: upload, list, profile, preview, the file itself, delete."""

from __future__ import annotations

from itertools import chain
from pathlib import PureWindowsPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service import ingestion
from service.api.dependencies import (
    ArtifactsDependency,
    DatasetsDependency,
    ProjectParameter,
    ReadingsDependency,
    SettingsDependency,
)
from service.api.responses import disposition
from service.api.uploads import Description, body_schema, declared_bytes, receive, sent_as_body
from service.names import make_name
from service.schemas.datasets import DatasetDetail, DatasetVersion, DatasetView, FileProfile, UploadOptions
from service.storage.dataset_files import DatasetFiles, file_path
from service.views.datasets import dataset_detail, dataset_version, find_dataset_view, list_dataset_views
from studies.datasets.profile import InputsProfile
from studies.datasets.table import NO_TARGET
from studies.spec.dataset import MAX_VERSION
from studies.spec.table import TableFormat, TableOptions

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_LIMIT = "REGSWEEP_MAX_UPLOAD_BYTES"
Version = Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="The newest when left out.")]
RowCount = Annotated[int, Query(ge=1, le=1000, description="Number of rows.")]


@router.post(
    "",
    status_code=201,
    responses={200: {"model": DatasetDetail, "description": "The same was there already."}},
    openapi_extra=body_schema(UploadOptions),
)
async def upload(
    request: Request,
    response: Response,
    datasets: DatasetsDependency,
    readings: ReadingsDependency,
    settings: SettingsDependency,
    query: Annotated[UploadOptions, Query()],
) -> DatasetDetail:
    """Upload a CSV, TSV, Excel, JSON lines, Parquet, Feather or .npz file, sent as the body, or as the part `file` of a
    form whose other fields are the options; texts may be gzip data. Another file, or other options, under a name that
    is there is a new version of it; the same again is that version, and is answered with 200.
    """
    if body := sent_as_body(request):
        name, _, _ = _check(query, body)
        await run_in_threadpool(datasets.check_room, name, query.project, declared_bytes(request))  # before it comes
    async with readings.receiving(request), receive(request, settings.max_upload_bytes, _LIMIT) as (file, description):
        asked = description.complete(query)
        name, file_format, options = _check(asked, description)
        await run_in_threadpool(datasets.check_room, name, asked.project, file.size)
        read, profile = await readings.describe(request, file.path, file_format, options)
        name = name or ingestion.make_dataset_name(read.target, file.digest)
        record, is_new = await run_in_threadpool(datasets.add, file, name, file_format, read, profile, asked.project)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/datasets/{quote(record.name)}"
    return dataset_detail(record)


@router.post("/profile", openapi_extra=body_schema(UploadOptions))
async def profile(
    request: Request,
    readings: ReadingsDependency,
    settings: SettingsDependency,
    query: Annotated[UploadOptions, Query()],
) -> FileProfile:
    """Profile a file as uploading it would, and keep nothing of it. Without `target` all its columns are read as
    inputs, and the one that is likely the target is suggested.
    """
    if body := sent_as_body(request):
        _check_profiled(query, body)  # before it comes
    async with readings.receiving(request), receive(request, settings.max_upload_bytes, _LIMIT) as (file, description):
        name, file_format, options = _check_profiled(description.complete(query), description)
        has_target = options.target != NO_TARGET
        describe = readings.describe if has_target else readings.describe_inputs
        read, profile = await describe(request, file.path, file_format, options)
    target = read.target if has_target else None
    return FileProfile(
        name=name or ingestion.make_dataset_name(target, file.digest),
        digest=file.digest,
        bytes=file.size,
        format=file_format,
        options={**read.model_dump(mode="json"), "target": target},
        target=target,
        suggested_target=profile.suggested_target if isinstance(profile, InputsProfile) else None,
        profile=profile,
    )


def _check_profiled(asked: UploadOptions, description: Description) -> tuple[str | None, TableFormat, TableOptions]:
    """As `_check`, of a file whose target may be left out."""
    if asked.target is not None:
        return _check(asked, description)
    name = asked.name or (_name_of(description.file_name) if description.file_name else None)
    options = ingestion.check_input_options({"encoding": description.encoding} | asked.table_options)
    return name, asked.format or description.format, options


def _check(asked: UploadOptions, description: Description) -> tuple[str | None, TableFormat, TableOptions]:
    """The name, the format and the columns of a file by all that is said of it."""
    name = asked.name or (_name_of(description.file_name) if description.file_name else None)
    options = ingestion.check_options({"encoding": description.encoding} | asked.table_options)
    return name, asked.format or description.format, options


def _name_of(file_name: str) -> str:
    """A dataset's name made of its file's, without the folders and the endings that some clients send."""
    path = PureWindowsPath(file_name)
    return make_name(PureWindowsPath(path.stem).stem if path.suffix.lower() == ".gz" else path.stem)


@router.get("")
def list_datasets(datasets: DatasetsDependency, project: ProjectParameter = None) -> list[DatasetView]:
    """List the uploaded datasets, newest first, then the bundled and the synthetic ones."""
    return list_dataset_views(datasets, project)


@router.get("/{name}")
def read(name: str, datasets: DatasetsDependency, version: Version = None) -> DatasetDetail | DatasetView:
    """Read an uploaded dataset with its profile: columns, types, missing values, classes, the target's histogram. Of a
    bundled or synthetic one, as `iris`, read what the listing says.
    """
    return find_dataset_view(datasets, name, version)


@router.get("/{name}/versions")
def list_versions(name: str, datasets: DatasetsDependency) -> list[DatasetVersion]:
    """List what was uploaded under a name, newest first."""
    return [dataset_version(record) for record in datasets.versions(name)]


@router.get("/{name}/preview")
async def preview(
    request: Request,
    name: str,
    datasets: DatasetsDependency,
    artifacts: ArtifactsDependency,
    readings: ReadingsDependency,
    settings: SettingsDependency,
    rows: RowCount = 10,
    version: Version = None,
) -> dict[str, Any]:
    """Read the first rows of an uploaded dataset."""
    record = await run_in_threadpool(datasets.find, name, version)
    file = await run_in_threadpool(DatasetFiles(artifacts, settings.cache_folder, settings.cache_bytes), record.digest)
    dataset = dataset_detail(record)
    return await readings.preview(request, file, dataset.format, rows, dataset.options.encoding, dataset.options.sheet)


@router.get("/{name}/file", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def file(name: str, datasets: DatasetsDependency, artifacts: ArtifactsDependency, version: Version = None) -> Response:
    """Download the file as it was uploaded."""
    from starlette.responses import StreamingResponse

    record = datasets.find(name, version)
    blocks = artifacts.blocks(file_path(record.digest))
    start = next(blocks, b"")
    ending = f"{record.format}.gz" if start[:2] == b"\x1f\x8b" else record.format
    headers = {
        "Content-Disposition": disposition(f"{record.name}.{ending}"),
        "Content-Length": str(record.bytes),
    }
    return StreamingResponse(chain([start], blocks), 200, headers, "application/octet-stream")


@router.delete("/{name}", status_code=204)
def delete(
    name: str,
    datasets: DatasetsDependency,
    version: Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="All versions when left out.")] = None,
) -> None:
    """Delete an uploaded dataset with all its versions, or one version; refused while a study is about one of them."""
    datasets.delete(name, version)
