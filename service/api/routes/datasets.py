"""Datasets: upload, list, profile, preview, the file itself, delete."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service import ingestion
from service.api.dependencies import ArtifactsDependency, DatasetsDependency, SettingsDependency
from service.api.uploads import format_of_content_type, receive
from service.names import make_name
from service.schemas.datasets import DatasetDetail, DatasetVersion, DatasetView
from service.storage.dataset_files import DatasetFiles, file_path
from service.views import dataset_detail, dataset_version, dataset_view
from studies.objectives import Task
from studies.spec.dataset import MAX_VERSION
from studies.spec.study import NAME_PATTERN
from studies.spec.table import TableFormat

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_LARGE_BYTES = 50_000_000
Columns = Annotated[list[str] | None, Query(description="Columns that are not read; may be repeated.")]
Version = Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="The newest when left out.")]
RowCount = Annotated[int, Query(ge=1, le=1000, description="Number of rows.")]


@router.post("", status_code=201)
async def upload(
    request: Request,
    response: Response,
    datasets: DatasetsDependency,
    settings: SettingsDependency,
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
) -> DatasetDetail:
    """Upload a CSV, TSV, Parquet or .npz file, sent as the body. Another file, or other options, under a name
    that is there is a new version of it; the same again is that version, and is answered with 200.
    """
    columns = {"target": target, "task": task, "ignore": ignore or (), "weight": weight, "group": group, "time": time}
    file_format = format or format_of_content_type(request.headers.get("content-type", ""))
    options = ingestion.check_options(columns)
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
    uploaded = [
        dataset_view("uploaded", record.name, dataset_detail(record).profile.facts, record.version)
        for record in datasets.list_datasets()
    ]
    return uploaded + [dataset_view(kind, name, facts) for kind, name, facts in included]


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
    return preview(DatasetFiles(artifacts, settings.cache_folder)(record.digest), dataset_detail(record).format, rows)


@router.get("/{name}/file", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def file(name: str, datasets: DatasetsDependency, artifacts: ArtifactsDependency, version: Version = None) -> Response:
    """Download the file as it was uploaded."""
    from starlette.responses import StreamingResponse

    record = datasets.find(name, version)
    headers = {
        "Content-Disposition": f'attachment; filename="{make_name(record.name)}.{record.format}"',
        "Content-Length": str(record.bytes),
    }
    return StreamingResponse(artifacts.blocks(file_path(record.digest)), 200, headers, "application/octet-stream")


@router.delete("/{name}", status_code=204)
def delete(
    name: str,
    datasets: DatasetsDependency,
    version: Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="All versions when left out.")] = None,
) -> None:
    """Delete an uploaded dataset with all its versions, or one version; refused while a study is about one of them."""
    datasets.delete(name, version)
