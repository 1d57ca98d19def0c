"""The rows of a study's parts and folds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from service.api.dependencies import ArtifactsDependency, SettingsDependency, StoreDependency
from service.errors import ConflictError
from service.schemas.splits import SplitView
from service.storage.dataset_files import DatasetFiles
from studies.errors import DatasetError
from studies.spec.study import StudySpec

if TYPE_CHECKING:
    from studies.datasets.catalog import Dataset
    from studies.datasets.split_strategies import RowIndices
    from studies.datasets.splits import Split

router = APIRouter(prefix="/v1/studies/{name}", tags=["studies"])

_MAX_ROW_NUMBERS = 20_000_000


@router.get("/split", response_model=SplitView)
def split(
    name: str, store: StoreDependency, artifacts: ArtifactsDependency, settings: SettingsDependency
) -> StreamingResponse:
    """Read which rows of the dataset are in each part and fold of a study. They follow from the study alone, so they
    are known before a worker begins.
    """
    from studies.datasets import splits
    from studies.datasets.catalog import load

    spec = store.study(name).parsed_spec
    count = spec.dataset.facts.rows * (spec.resampling.fits + 1)
    if count > _MAX_ROW_NUMBERS:
        raise ConflictError(
            f"the parts and folds of '{name}' are {count:,} row numbers; at most {_MAX_ROW_NUMBERS:,} are answered"
        )
    try:
        dataset = load(spec.dataset, DatasetFiles(artifacts, settings.cache_folder, settings.cache_bytes))
        base = splits.split(dataset, spec.seed, spec.resampling.split)
        of_folds = splits.folds(dataset, base, spec.resampling, spec.seed)
    except DatasetError as error:
        raise ConflictError(str(error)) from error
    folds = [] if spec.resampling.kind == "holdout" else of_folds
    return StreamingResponse(_write(spec, dataset, base, folds), media_type="application/json")


def _write(spec: StudySpec, dataset: Dataset, base: Split, folds: list[Split]) -> Iterator[str]:
    """Write a SplitView piece by piece: whole, it could take many times the memory of its rows."""
    from studies.datasets.split_strategies import resolve

    strategy = resolve(spec.resampling.split, dataset)
    head = {"rows": len(dataset.y), "seed": spec.seed, "strategy": strategy}
    yield json.dumps(head).removesuffix("}")
    yield f', "file_rows": {"null" if dataset.kept is None else _numbers(dataset.kept)}'
    yield from _parts(", ", {"train": base.train, "validation": base.validation, "test": base.test})
    yield ', "folds": ['
    for index, fold in enumerate(folds):
        nested = spec.resampling.nested
        parts = {"train": fold.train} | ({"stopping": fold.validation, "validation": fold.test} if nested else {})
        yield from _parts(", {" if index else "{", {"validation": fold.validation} | parts)
        yield "}"
    yield "]}"


def _parts(begin: str, parts: dict[str, RowIndices]) -> Iterator[str]:
    for name, rows in parts.items():
        yield f'{begin}"{name}": {_numbers(rows)}'
        begin = ", "


def _numbers(rows: RowIndices) -> str:
    return json.dumps(sorted(rows.tolist()))
