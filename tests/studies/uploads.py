"""Tables as users upload them: what several tests prepare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from studies.datasets.catalog import Source, from_table
from studies.datasets.preprocessing import PreparedData
from studies.datasets.profile import profile
from studies.datasets.splits import split
from studies.datasets.table import Table
from studies.datasets.tables import read
from studies.spec.dataset import UploadedDataset
from studies.spec.table import TableFormat, TableOptions

Columns = Mapping[str, Sequence[Any]]


def text(columns: Columns) -> str:
    """CSV of columns; None is left empty."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
    return "\n".join([",".join(columns), *lines, ""])


def table(folder: Path, columns: Columns, /, **options: Any) -> Table:
    file = folder / "table.csv"
    file.write_text(text(columns))
    return read(file, "csv", TableOptions(**{"target": "y", **options}))


def prepared(folder: Path, columns: Columns, /, **options: Any) -> PreparedData:
    dataset = from_table(table(folder, columns, **options))
    return PreparedData(dataset, split(dataset, 0))


def uploaded(file: Path, file_format: TableFormat = "csv", **options: Any) -> tuple[UploadedDataset, Source]:
    """What the service would fill in of a file, and what would give the file to a worker."""
    given = TableOptions(**{"target": "y", **options})
    digest = sha256(file.read_bytes()).hexdigest()
    found = profile(read(file, file_format, given))
    spec = UploadedDataset(
        kind="uploaded", name="mine", digest=digest, format=file_format, options=given, known=found.facts
    )
    return spec.with_columns(found.input_columns), {digest: file}.__getitem__


def mixed(rows: int, seed: int = 0, classes: int = 2) -> dict[str, list[Any]]:
    """Columns of every kind, with missing values, and a target that depends on some."""
    rng = np.random.default_rng(seed)
    age, income = rng.normal(50, 10, rows).round(2), rng.lognormal(8, 1, rows).round(2)
    city = rng.choice(["Rome", "Oslo", "Lima", "Bonn"], rows, p=[0.5, 0.3, 0.15, 0.05])
    score = (age - 50) / 10 + (city == "Rome") + rng.normal(0, 0.3, rows)
    cuts = np.quantile(score, np.arange(1, classes) / classes)
    days = np.datetime64("2024-01-01") + rng.integers(0, 700, rows)
    return {
        "age": _lacking(age, rng, 0.1),
        "income": income.tolist(),
        "city": _lacking(city, rng, 0.05),
        "member": ["true" if value else "false" for value in rng.random(rows) < 0.3],
        "since": _lacking(days, rng, 0.05),
        "same": ["x"] * rows,
        "y": [f"c{label}" for label in np.digitize(score, cuts)],
    }


def _lacking(values: Any, rng: np.random.Generator, share: float) -> list[Any]:
    there: Callable[[Any], Any] = lambda value: value.item() if isinstance(value, np.number) else str(value)  # noqa: E731
    return [None if gone else there(value) for value, gone in zip(values, rng.random(len(values)) < share, strict=True)]
