"""What is asked of a process that reads a stranger's file, and its answers, as JSON."""

from __future__ import annotations

import base64
import errno
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import InvalidDatasetError
from studies.errors import DatasetError, InvalidSpecError

if TYPE_CHECKING:
    from studies.datasets.split_strategies import RowIndices

#: What the tasks import, so that no process does so again.
_MODULES = (
    "openpyxl",
    "service.ingestion",
    "service.model_reading",
    "studies.datasets.arrays",
    "studies.datasets.column_builder",
    "studies.datasets.delimited",
    "studies.datasets.excel",
    "studies.datasets.feather",
    "studies.datasets.json_lines",
    "studies.datasets.parquet",
    "studies.datasets.preview",
    "studies.datasets.profile",
    "studies.datasets.splits",
    "studies.datasets.tables",
)


def preload() -> None:
    """Import what the tasks need."""
    for module in _MODULES:
        import_module(module)
    with suppress(ImportError):  # Keras brings it, and a server needs no Keras
        import_module("h5py")


def find(task: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a task.

    Raises InvalidDatasetError or InvalidSpecError, which name what is wrong in the file.
    """
    return _TASKS[task["task"]](task)


def carry_out(task: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a task: its answer as `found`, or its error as `refused`, `memory` or `failed`."""
    try:
        return {"found": find(task)}
    except Exception as error:  # noqa: BLE001  # the boundary: told to the server, which keeps it in its log
        if _ran_out_of_memory(error):
            return {"memory": True}
        if isinstance(error, InvalidDatasetError | InvalidSpecError):
            fields = [[wrong.field, wrong.message] for wrong in error.fields]
            return {"refused": type(error).__name__, "message": str(error), "fields": fields}
        return {"failed": "".join(traceback.format_exception(error))[-5000:]}


def _ran_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, which a reader may have taken for a damaged file."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        error = error.__cause__ or error.__context__
    return False


def _describe(task: Mapping[str, Any]) -> dict[str, Any]:
    from service import ingestion
    from studies.spec.table import TableOptions

    options = TableOptions.model_validate(task["options"])
    describe = ingestion.describe_inputs if task["inputs_alone"] else ingestion.describe
    read, profile = describe(Path(task["file"]), task["format"], options, task["table"])
    return {"options": read.model_dump(mode="json"), "profile": profile.model_dump(mode="json")}


def _read_model(task: Mapping[str, Any]) -> dict[str, Any]:
    from service.model_reading import read_model

    return read_model(Path(task["file"]), weights=task["weights"]).model_dump(mode="json")


def _preview(task: Mapping[str, Any]) -> dict[str, Any]:
    from service import ingestion

    return ingestion.preview(
        Path(task["file"]), task["format"], task["rows"], task["encoding"], task["sheet"], task["table"]
    )


def _split(task: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a study's parts and folds, packed; or as `conflict` why its dataset cannot be read."""
    from studies.datasets import splits
    from studies.datasets.catalog import load
    from studies.datasets.split_strategies import resolve
    from studies.spec.study import StudySpec

    spec = StudySpec.model_validate(task["spec"])
    try:
        dataset = load(spec.dataset, lambda _: Path(task["file"]))
        base = splits.split(dataset, spec.seed, spec.resampling.split)
        folds = splits.folds(dataset, base, spec.resampling, spec.seed)
    except DatasetError as error:
        return {"conflict": str(error)}
    return {
        "rows": len(dataset.y),
        "strategy": resolve(spec.resampling.split, dataset),
        "file_rows": None if dataset.kept is None else _pack(dataset.kept),
        "base": [_pack(rows) for rows in (base.train, base.validation, base.test)],
        "folds": [[_pack(rows) for rows in (fold.train, fold.validation, fold.test)] for fold in folds],
    }


def _pack(rows: RowIndices) -> str:
    """Row numbers, in their order, as 32-bit numbers in base64: half of what they take as text."""
    import numpy as np

    return base64.b64encode(np.sort(rows).astype("<i4").tobytes()).decode()


_TASKS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "describe": _describe,
    "preview": _preview,
    "read_model": _read_model,
    "split": _split,
}
