"""Show the first rows of a user's file as JSON."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from studies.datasets.formats import MAX_BYTES, open_columns
from studies.spec.table import TableFormat


def preview(
    path: Path,
    file_format: TableFormat,
    rows: int = 10,
    encoding: str | None = None,
    sheet: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> dict[str, Any]:
    """Read the first rows: `columns`, their names, and `rows`, lists of values; text files give text.

    An .npz file also gives `arrays`, the name, shape and dtype of each.
    """
    if file_format == "npz":
        return _preview_arrays(path, rows, max_bytes)
    file = open_columns(path, file_format, encoding, max_bytes, sheet)
    first_rows = (row for batch in file.batches(file.names) for row in batch.slice(0, rows).to_pylist())
    return {
        "columns": list(file.names),
        "rows": [[_to_json(row[name]) for name in file.names] for row in islice(first_rows, rows)],
    }


def _preview_arrays(path: Path, rows: int, max_bytes: int) -> dict[str, Any]:
    from studies.datasets import arrays

    declared = arrays.read_declared(path, max_bytes).values()
    # Columns alone: a row of images is too much to show.
    columns = {a.name: arrays.load(path, a.name)[:rows].tolist() for a in declared if len(a.shape) == 1}
    return {
        "arrays": [{"name": a.name, "shape": list(a.shape), "dtype": str(a.dtype)} for a in declared],
        "columns": list(columns),
        "rows": [list(map(_to_json, row)) for row in zip(*columns.values(), strict=False)],
    }


def _to_json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value)
