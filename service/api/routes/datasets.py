"""Datasets: upload, list, profile, preview, the file itself, delete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import ArtifactsDependency, DatasetsDependency, SettingsDependency
from service.api.uploads import format_of, received
from service.errors import InvalidDatasetError
from service.schemas import DatasetDetail, DatasetView, dataset_detail, dataset_view
from service.storage.dataset_files import file_path
from service.storage.datasets import DatasetStore, Files, Upload
from studies.objectives import Task
from studies.spec.study import NAME_PATTERN
from studies.spec.table import TableFormat, TableOptions

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_MEMORY_PARTS = (
    4  # a table is at most such a part of the machine's memory, for reading one takes more than twice its size
)
_LARGE_BYTES = 50_000_000
Names = Annotated[list[str] | None, Query(description="May stand often.")]
Rows = Annotated[int, Query(ge=1, le=1000, description="How many.")]


@router.post("", status_code=201)
async def upload(
    request: Request,
    response: Response,
    datasets: DatasetsDependency,
    settings: SettingsDependency,
    target: Annotated[str, Query(description="The column that is to be predicted.")],
    name: Annotated[str | None, Query(pattern=NAME_PATTERN, description="Made from the content when left out.")] = None,
    task: Task | None = None,
    ignore: Names = None,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    format: Annotated[  # noqa: A002  # the query parameter's name
        TableFormat | None, Query(description="Seen from Content-Type when left out.")
    ] = None,
) -> DatasetDetail:
    """Keep a CSV, TSV, Parquet or .npz file, sent as the body, as a dataset. The same file under the same options again
    is the same dataset, and answered with 200.
    """
    given = {"target": target, "task": task, "ignore": ignore or (), "weight": weight, "group": group, "time": time}
    file_format = format or format_of(request.headers.get("content-type", ""))
    options = described(given)
    # Large ones are read one at a time: each may take a good part of the memory.
    one = request.app.state.reading
    async with received(request, settings.max_upload_bytes) as file, one if file.size > _LARGE_BYTES else nullcontext():
        record, created = await run_in_threadpool(keep, datasets, file, name, file_format, options)
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/datasets/{quote(record.name)}"
    return dataset_detail(record)


def described(given: Mapping[str, Any]) -> TableOptions:
    """What the columns are for; InvalidSpecError names what is wrong."""
    from pydantic import ValidationError

    from studies.errors import InvalidSpecError
    from studies.study_file import field_errors

    try:
        return TableOptions.model_validate(given)
    except ValidationError as error:
        raise InvalidSpecError(field_errors(error.errors())) from error


def keep(
    datasets: DatasetStore, file: Upload, name: str | None, file_format: TableFormat, options: TableOptions
) -> Any:
    """Read, profile and keep a file; InvalidDatasetError says what is wrong with it and in which row or column."""
    from studies.datasets.profile import profile
    from studies.datasets.tables import read
    from studies.errors import DatasetError, InvalidTableError
    from studies.training.machine import memory_bytes

    try:
        found = profile(read(file.path, file_format, options, memory_bytes() // _MEMORY_PARTS))
    except InvalidTableError as error:
        raise InvalidDatasetError(error.option or "", str(error)) from error
    except DatasetError as error:
        raise InvalidDatasetError("", str(error)) from error
    return datasets.add(file, name or f"{options.target[:40]}-{file.digest[:8]}", file_format, options, found)


@router.get("")
def list_datasets(datasets: DatasetsDependency) -> list[DatasetView]:
    """The uploaded datasets, newest first, then the bundled and the synthetic ones."""
    from studies.spec.dataset import BUILTIN, SYNTHETIC, SyntheticDataset

    known = [("builtin", str(name), facts) for name, facts in BUILTIN.items()]
    known += [("synthetic", str(name), SyntheticDataset(kind="synthetic", name=name).facts) for name in SYNTHETIC]
    uploaded = [("uploaded", record.name, dataset_detail(record).profile.facts) for record in datasets.all()]
    return [dataset_view(*one) for one in (*uploaded, *known)]


@router.get("/{name}")
def read(name: str, datasets: DatasetsDependency) -> DatasetDetail:
    """One uploaded dataset with its profile: columns, types, missing values, classes, the target's histogram."""
    return dataset_detail(datasets.find(name))


@router.get("/{name}/preview")
def preview(
    name: str,
    datasets: DatasetsDependency,
    artifacts: ArtifactsDependency,
    settings: SettingsDependency,
    rows: Rows = 10,
) -> dict[str, Any]:
    """The first rows."""
    from studies.datasets.profile import preview

    record = datasets.find(name)
    return preview(Files(artifacts, settings.cache_folder)(record.digest), dataset_detail(record).format, rows)


@router.get("/{name}/file", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def file(name: str, datasets: DatasetsDependency, artifacts: ArtifactsDependency) -> Response:
    """The file as it was uploaded."""
    from starlette.responses import StreamingResponse

    record = datasets.find(name)
    plain = re.sub(r"[^\w .-]", "_", record.name)
    headers = {
        "Content-Disposition": f'attachment; filename="{plain}.{record.format}"',
        "Content-Length": str(record.bytes),
    }
    return StreamingResponse(artifacts.blocks(file_path(record.digest)), 200, headers, "application/octet-stream")


@router.delete("/{name}", status_code=204)
def delete(name: str, datasets: DatasetsDependency) -> None:
    """Delete an uploaded dataset and its file; refused while a study is about it."""
    datasets.remove(name)
