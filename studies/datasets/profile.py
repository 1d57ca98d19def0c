"""What a dataset looks like, from its table: for people to see, and for a study to be validated by."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from studies.datasets.layout import ColumnLayout, column_layout, layout
from studies.datasets.table import Column, Table
from studies.datasets.target import Target, target
from studies.frozen_model import FrozenModel
from studies.objectives import Task
from studies.spec.dataset import DatasetFacts
from studies.spec.table import TableFormat

Array = npt.NDArray[Any]

_SHOWN_LEVELS = 20
_BINS = 20
_IMBALANCE = 10  # times as many rows of one class as of another
_MOSTLY = 0.5  # share of values missing that is worth a warning
_ROUNDING = 1e5  # how often a column's deviation may go into its values before float32 blurs it


class Level(FrozenModel):
    """A value and how many rows have it."""

    name: str
    rows: int


class Histogram(FrozenModel):
    """Counts between edges, one more edge than counts."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class ColumnProfile(FrozenModel):
    """One column as it was read."""

    name: str
    kind: Literal["numeric", "boolean", "categorical", "date", "constant", "images", "ignored"]
    role: Literal["feature", "target", "weight", "group", "time", "ignored"] = "feature"
    missing: int = 0  # rows without a value
    distinct: int = 0  # values beside missing ones; of text at most 100,000 are told apart
    low: float | str | None = None  # of numbers; of dates as ISO text
    mean: float | str | None = None
    high: float | str | None = None
    levels: tuple[Level, ...] = ()  # the most frequent
    inputs: int = 0  # that a model gets of it


class DatasetProfile(FrozenModel):
    """A whole dataset as it was read."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    task: Task
    classes: tuple[Level, ...]  # in the order of the model's outputs; empty for a regression
    histogram: Histogram | None  # of a regression's target
    warnings: tuple[str, ...]
    facts: DatasetFacts


def profile(table: Table) -> DatasetProfile:
    """The profile of a table; InvalidTableError when its target cannot be predicted."""
    found = target(table)
    columns = [_column(column, "feature") for column in table.features]
    columns += [_column(column, role) for role, column in _roles(table)]
    if table.images is not None:
        columns.append(_images(table.images))
    columns += [ColumnProfile(name=name, kind="ignored", role="ignored") for name in table.ignored]
    shape = (len(layout(table).features),) if table.images is None else table.images.shape[1:]
    inputs = "images" if table.images is not None else f"{len(table.features)} columns"
    about = f"'{table.target.name}' from {inputs}"
    return DatasetProfile(
        rows=table.rows,
        columns=tuple(columns),
        task=found.task,
        classes=tuple(Level(name=n, rows=c) for n, c in zip(found.class_names, found.counts, strict=True)),
        histogram=_histogram(found.y) if found.task == "regression" else None,
        warnings=tuple(_warnings(table, found)),
        facts=DatasetFacts(found.task, table.rows, shape, len(found.class_names), about, min(found.counts, default=0)),
    )


def _roles(table: Table) -> list[tuple[Literal["target", "weight", "group", "time"], Column]]:
    named: list[tuple[Literal["target", "weight", "group", "time"], Column | None]] = [
        ("target", table.target), ("weight", table.weight), ("group", table.group), ("time", table.time)
    ]  # fmt: skip
    return [(role, column) for role, column in named if column is not None]


def _column(column: Column, role: Literal["feature", "target", "weight", "group", "time"]) -> ColumnProfile:
    missing = column.missing
    there = column.values[~missing]
    inputs = sum(1 for _ in column_layout(column).inputs) if role == "feature" else 0
    known = ColumnProfile(name=column.name, kind=column.kind, role=role, missing=int(missing.sum()), inputs=inputs)
    if column.kind in {"categorical", "boolean"}:
        return known.model_copy(update=_levels(column, there))
    distinct = len(np.unique(there))
    low, mean, high = (_shown(there, of) for of in (np.min, np.mean, np.max))
    kind = "constant" if distinct <= 1 else column.kind
    return known.model_copy(update={"kind": kind, "distinct": distinct, "low": low, "mean": mean, "high": high})


def _levels(column: Column, there: Array) -> dict[str, Any]:
    names = ("false", "true") if column.kind == "boolean" else column.levels
    counts = np.bincount(there, minlength=len(names)).tolist()
    shown = sorted(zip(names, counts, strict=False), key=lambda pair: -pair[1])[:_SHOWN_LEVELS]
    levels = tuple(Level(name=name, rows=rows) for name, rows in shown if rows)
    distinct = column.distinct if column.kind == "categorical" else len(levels)
    return {"kind": "constant" if distinct <= 1 else column.kind, "distinct": distinct, "levels": levels}


def _shown(there: Array, of: Any) -> float | str | None:
    if not len(there):
        return None
    if there.dtype.kind == "M":
        return str(of(there.astype(np.int64)).astype(np.int64).astype("datetime64[ms]"))
    return float(of(there, dtype=np.float64)) if of is np.mean else float(of(there))


def _images(images: Array) -> ColumnProfile:
    size = " × ".join(map(str, images.shape[1:]))
    low, mean, high = float(images.min()), float(images.mean(dtype=np.float64)), float(images.max())
    inputs = int(np.prod(images.shape[1:]))
    return ColumnProfile(name=f"images of {size}", kind="images", low=low, mean=mean, high=high, inputs=inputs)


def _histogram(y: Array) -> Histogram:
    counts, edges = np.histogram(y.astype(np.float64), bins=_BINS)
    return Histogram(edges=tuple(map(float, edges)), counts=tuple(map(int, counts)))


def _warnings(table: Table, found: Target) -> list[str]:
    warnings = [table.note] if table.note else []
    if found.counts and max(found.counts) > _IMBALANCE * min(found.counts):
        rare = found.class_names[int(np.argmin(found.counts))]
        warnings.append(
            f"class '{rare}' has {min(found.counts)} of {table.rows} rows; val_accuracy hides how well it is told, "
            "look at val_balanced_accuracy or val_auc, and consider class_weights: balanced"
        )
    for column in table.features:
        warnings += [f"column '{column.name}': {text}" for text in _oddities(column, column_layout(column), table.rows)]
    return warnings


def _oddities(column: Column, form: ColumnLayout, rows: int) -> list[str]:
    found = [column.note] if column.note else []
    missing = int(column.missing.sum())
    inputs = sum(1 for _ in form.inputs)
    if missing == rows:
        return [*found, "has no value in any row and is left out"]
    if missing > _MOSTLY * rows:
        found.append(f"has no value in {missing} of {rows} rows")
    if column.kind == "categorical" and column.distinct > 1 and not form.levels:
        found.append(f"has {column.distinct} values, none of them frequent, and is left out; is it an identifier?")
    elif form.other:
        found.append(
            f"has {column.distinct} values; the {len(form.levels)} most frequent are inputs of their own, "
            "the others one"
        )
    elif not inputs:
        found.append("is the same in every row and is left out")
    if column.kind == "numeric" and inputs and _blurred(column.values):
        found.append("differs so little for its size that 32-bit numbers blur it; subtract a constant from it")
    return found


def _blurred(values: Array) -> bool:
    largest, deviation = float(np.nanmax(np.abs(values))), float(np.nanstd(values, dtype=np.float64))
    return deviation > 0 and largest > _ROUNDING * deviation


def preview(path: Path, file_format: TableFormat, rows: int = 10) -> dict[str, Any]:
    """The first rows as JSON: `columns`, their names, and `rows`, lists of values; of text files as they are read."""
    from studies.datasets import arrays, delimited, parquet
    from studies.datasets.tables import MOST_BYTES, names

    columns = names(path, file_format)
    if file_format == "npz":
        known = arrays.declared(path, MOST_BYTES)
        shown = [
            {"name": a.name, "shape": list(a.shape), "dtype": str(a.dtype)} for a in known.values()
        ]  # of images a row is too much to show
        flat = {n: arrays.load(path, n)[:rows].tolist() for n, a in known.items() if len(a.shape) == 1}
        return {
            "arrays": shown,
            "columns": list(flat),
            "rows": [list(map(_json, r)) for r in zip(*flat.values(), strict=False)],
        }
    found = (
        parquet.batches(path, columns)
        if file_format == "parquet"
        else delimited.batches(path, file_format, columns, columns)
    )
    first = (row for batch in found for row in batch.slice(0, rows).to_pylist())
    return {"columns": columns, "rows": [[_json(row[name]) for name in columns] for row in islice(first, rows)]}


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value)
