"""Datasets: upload, list, profile, preview, the file itself, delete."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from itertools import chain
from pathlib import PureWindowsPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service import ingestion
from service.api.dependencies import ArtifactsDependency, DatasetsDependency, SettingsDependency
from service.api.responses import disposition
from service.api.uploads import Description, body_schema, receive, sent_as_body
from service.names import make_name
from service.schemas.datasets import DatasetDetail, DatasetVersion, DatasetView, FileProfile, UploadOptions
from service.settings import Settings
from service.storage.dataset_files import DatasetFiles, file_path
from service.storage.datasets import Upload
from service.views import dataset_detail, dataset_version, list_dataset_views
from studies.datasets.profile import InputsProfile
from studies.datasets.table import NO_TARGET
from studies.spec.dataset import MAX_VERSION
from studies.spec.table import TableFormat, TableOptions

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_LARGE_BYTES = 50_000_000
Version = Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="The newest when left out.")]
RowCount = Annotated[int, Query(ge=1, le=1000, description="Number of rows.")]


@router.post("", status_code=201, openapi_extra=body_schema(UploadOptions))
async def upload(
    request: Request,
    response: Response,
    datasets: DatasetsDependency,
    settings: SettingsDependency,
    query: Annotated[UploadOptions, Query()],
) -> DatasetDetail:
    """Upload a CSV, TSV, Excel, JSON lines, Parquet, Feather or .npz file, sent as the body, or as the part `file` of a
    form whose other fields are the options; texts may be gzip data. Another file, or other options, under a name that
    is there is a new version of it; the same again is that version, and is answered with 200.
    """
    if body := sent_as_body(request):
        _check(query, body)  # before it comes
    async with _receive_table(request, settings, query) as (file, asked, description):
        arguments = _check(asked, description)
        record, is_new = await run_in_threadpool(ingestion.keep, datasets, file, *arguments)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/datasets/{quote(record.name)}"
    return dataset_detail(record)


@router.post("/profile", openapi_extra=body_schema(UploadOptions))
async def profile(
    request: Request, settings: SettingsDependency, query: Annotated[UploadOptions, Query()]
) -> FileProfile:
    """Profile a file as uploading it would, and keep nothing of it. Without `target` all its columns are read as
    inputs, and the one that is likely the target is suggested.
    """
    if body := sent_as_body(request):
        _check_profiled(query, body)  # before it comes
    async with _receive_table(request, settings, query) as (file, asked, description):
        return await run_in_threadpool(_profile, file, *_check_profiled(asked, description))


@asynccontextmanager
async def _receive_table(
    request: Request, settings: Settings, query: UploadOptions
) -> AsyncIterator[tuple[Upload, UploadOptions, Description]]:
    """Receive a file of rows, with all that is said of it."""
    async with receive(request, settings.max_upload_bytes, "REGSWEEP_MAX_UPLOAD_BYTES") as (file, description):
        asked = description.complete(query)
        # Large files are read one at a time: each may take a good part of the memory.
        async with request.app.state.one_large_dataset if file.size > _LARGE_BYTES else nullcontext():
            yield file, asked, description


def _check_profiled(asked: UploadOptions, description: Description) -> tuple[str | None, TableFormat, TableOptions]:
    """As `_check`, of a file whose target may be left out."""
    if asked.target is not None:
        return _check(asked, description)
    name = asked.name or (_name_of(description.file_name) if description.file_name else None)
    options = ingestion.check_input_options({"encoding": description.encoding} | asked.table_options)
    return name, asked.format or description.format, options


def _profile(file: Upload, name: str | None, file_format: TableFormat, options: TableOptions) -> FileProfile:
    has_target = options.target != NO_TARGET
    describe = ingestion.describe if has_target else ingestion.describe_inputs
    read, profile = describe(file.path, file_format, options)
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
def list_datasets(datasets: DatasetsDependency) -> list[DatasetView]:
    """List the uploaded datasets, newest first, then the bundled and the synthetic ones."""
    return list_dataset_views(datasets)


@router.get("/{name}")
def read(name: str, datasets: DatasetsDependency, version: Version = None) -> DatasetDetail:
    """Read an uploaded dataset with its profile: columns, types, missing values, classes, the target's histogram."""
    return dataset_detail(datasets.find(name, version))


@router.get("/{name}/versions")
def list_versions(name: str, datasets: DatasetsDependency) -> list[DatasetVersion]:
    """List what was uploaded under a name, newest first."""
    return [dataset_version(record) for record in datasets.versions(name)]


@router.get("/{name}/preview")
def preview(
    name: str,
    datasets: DatasetsDependency,
    artifacts: ArtifactsDependency,
    settings: SettingsDependency,
    rows: RowCount = 10,
    version: Version = None,
) -> dict[str, Any]:
    """Read the first rows of an uploaded dataset."""
    from studies.datasets.preview import preview

    record = datasets.find(name, version)
    file, dataset = (
        DatasetFiles(artifacts, settings.cache_folder, settings.cache_bytes)(record.digest),
        dataset_detail(record),
    )
    return preview(file, dataset.format, rows, dataset.options.encoding, dataset.options.sheet)


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
