"""Profile a dataset's table: for people to see, and for a study to be validated by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

from studies.array import Array
from studies.datasets.catalog import Dataset
from studies.datasets.column_roles import quote_names
from studies.datasets.layout import SAME, lay_out_column
from studies.datasets.reading import Evidence, Reading, rename_old_kind
from studies.datasets.splits import time_fold_limits, time_obstacle
from studies.datasets.table import Column, Table
from studies.datasets.target import Target, derive_target
from studies.errors import InvalidTableError
from studies.frozen_model import FrozenModel
from studies.keras_config.input_columns import InputColumn
from studies.objectives import Task
from studies.spec.dataset import DatasetFacts, FoldLimit

_Role = Literal["feature", "target", "weight", "group", "time"]

_MAX_SHOWN_LEVELS = 20
#: Of which a profile tells; a server holds it as it does all of an answer.
_MAX_COLUMNS = 5000
#: The names that people give what they predict, the likeliest first.
_USUAL_TARGETS = (
    "target",
    "label",
    "class",
    "y",
    "outcome",
    "churn",
    "churned",
    "species",
    "price",
    "labels",
    "classes",
)
_BINS = 20
_MAX_REASONS = 3  # of columns that give no input, named in a study's facts
_NAMED = 3  # columns, of each reason


class Level(FrozenModel):
    """A value and the number of rows that have it."""

    name: str
    rows: int


class Histogram(FrozenModel):
    """Counts between edges, one more edge than counts."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class ColumnProfile(FrozenModel):
    """One column as it was read."""

    name: str
    kind: Annotated[
        Literal["number", "boolean", "category", "date", "constant", "images", "ignored"],
        BeforeValidator(rename_old_kind),
    ]
    role: Literal["feature", "target", "weight", "group", "time", "ignored"] = "feature"
    missing: int = 0  # rows without a value
    distinct: int = 0  # values beside missing ones; of text at most 100,000 are told apart
    low: float | str | None = None  # of numbers; of dates as ISO text
    mean: float | str | None = None
    high: float | str | None = None
    levels: tuple[Level, ...] = ()  # the most frequent
    inputs: int = 0  # that a model gets from it
    shape: tuple[int, ...] = ()  # of these in one row, where it is an array of several axes
    left_out: str = ""  # why it gives none
    evidence: tuple[Evidence, ...] = ()  # why it is read as it is
    warnings: tuple[str, ...] = ()  # what a person should look at
    reading: Reading | None = None  # how its texts became values


class DatasetProfile(FrozenModel):
    """A whole dataset as it was read."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    task: Task
    why: str = ""  # the task is this
    classes: tuple[Level, ...]  # in the order of the model's outputs; empty for a regression
    histogram: Histogram | None  # of a regression's target
    warnings: tuple[str, ...]
    facts: DatasetFacts
    delimiter: str | None = None  # of a text's columns
    encoding: str | None = None  # of a text that is not UTF-8

    @property
    def input_columns(self) -> tuple[InputColumn, ...]:
        """The columns that give inputs, in order, as a model of several inputs finds them; none of images alone."""
        if len(self.facts.shape) > 1:
            return ()
        used = [column for column in self.columns if column.role == "feature" and column.inputs]
        return tuple(
            InputColumn(column.name, column.shape or (column.inputs,), column.kind == "category") for column in used
        )

    used_beyond: int = 0  # columns that give inputs, beside those in `columns`, of which there are at most 5,000
    left_out_beyond: int = 0  # columns that give none, likewise


class InputsProfile(FrozenModel):
    """The columns of a file for which nobody has said yet what is to be predicted."""

    rows: int
    columns: tuple[ColumnProfile, ...]  # all as inputs
    warnings: tuple[str, ...]
    suggested_target: str | None  # the column that is likely to be predicted
    delimiter: str | None = None  # of a text's columns
    encoding: str | None = None  # of a text that is not UTF-8


def profile(table: Table) -> DatasetProfile:
    """Profile a table.

    Raises InvalidTableError when its target cannot be predicted, or no column tells anything of it.
    """
    target = derive_target(table)
    columns, warnings = _profile_columns(table, target)
    if table.images is None and not table.arrays:
        _check_inputs([column for column in columns if column.role == "feature"])
    classes = zip(target.class_names, target.counts, strict=True)
    facts = _facts(table, target, [column for column in columns if column.role == "feature"])
    shown, beyond = _cut(columns)
    return DatasetProfile(
        rows=table.rows,
        columns=shown,
        task=target.task,
        why=target.why,
        classes=tuple(Level(name=name, rows=rows) for name, rows in classes),
        histogram=_histogram(target.y) if target.task == "regression" else None,
        warnings=(*warnings, *([facts.time_obstacle] if facts.time_obstacle else []), *_say_cut(columns)),
        facts=facts,
        delimiter=table.delimiter,
        encoding=table.options.encoding,
        used_beyond=sum(column.inputs > 0 for column in beyond),
        left_out_beyond=sum(not column.inputs for column in beyond),
    )


def _cut(columns: Sequence[ColumnProfile]) -> tuple[tuple[ColumnProfile, ...], Sequence[ColumnProfile]]:
    """Divide columns into those that are told of, all with a role of their own among them, and the others."""
    others = [column for column in columns if column.role in {"feature", "ignored"}]
    beyond = others[_MAX_COLUMNS:]
    names = {column.name for column in beyond}
    return tuple(column for column in columns if column.name not in names), beyond


def _say_cut(columns: Sequence[ColumnProfile]) -> list[str]:
    if len(columns) <= _MAX_COLUMNS:
        return []
    return [f"the file has {len(columns):,} columns; the first {_MAX_COLUMNS:,} are shown, and all are read"]


def profile_inputs(table: Table) -> InputsProfile:
    """Profile a table that was read without a target."""
    columns, warnings = _profile_columns(table, None)
    named = [column for column in columns if column.role == "feature" and column.kind != "images"]
    return InputsProfile(
        rows=table.rows,
        columns=_cut(columns)[0],
        warnings=(*warnings, *_say_cut(columns)),
        suggested_target=suggest_target([column.name for column in named if not column.left_out]),
        delimiter=table.delimiter,
        encoding=table.options.encoding,
    )


def suggest_target(names: Sequence[str]) -> str | None:
    """Suggest which of these columns is to be predicted: one with a target's usual name, else the last."""
    by_name = {name.strip().lower(): name for name in reversed(names)}
    usual = next((by_name[name] for name in _USUAL_TARGETS if name in by_name), None)
    return usual or (names[-1] if names else None)


def _profile_columns(table: Table, target: Target | None) -> tuple[tuple[ColumnProfile, ...], tuple[str, ...]]:
    """Profile all columns of a table; return the warnings of the whole table as well."""
    # It loads Arrow, which who only reads a profile does without.
    from studies.datasets import data_warnings

    layouts = [lay_out_column(column) for column in table.features]
    by_column = data_warnings.find_by_column(table, target, layouts)
    columns = [_profile_images(array, name) for name, array in table.arrays.items()]
    columns += [
        _profile_column(column, "feature", layout.width, data_warnings.why_left_out(column, layout))
        for column, layout in zip(table.features, layouts, strict=True)
    ]
    columns += [_profile_column(column, role) for role, column in table.roles]
    if table.images is not None:
        columns.append(_profile_images(table.images))
    columns = [column.model_copy(update={"warnings": tuple(by_column.get(column.name, ()))}) for column in columns]
    columns += [
        ColumnProfile(name=name, kind="ignored", role="ignored", left_out=why) for name, why in table.ignored.items()
    ]
    return tuple(columns), tuple(data_warnings.find(table, target, by_column))


def _facts(table: Table, target: Target, features: Sequence[ColumnProfile]) -> DatasetFacts:
    shape = (sum(each.inputs for each in features),) if table.images is None else table.images.shape[1:]
    used = sum(each.inputs > 0 for each in features)
    source = "images" if table.images is not None else f"{used} column{'' if used == 1 else 's'}"
    return DatasetFacts(
        target.task,
        table.rows,
        shape,
        len(target.class_names),
        f"'{table.target.name}' from {source}",
        min(target.counts, default=0),
        *_time_facts(table, target),
        highest=_find_highest(table),
        no_input=_list_without_input(features),
    )


def _list_without_input(features: Sequence[ColumnProfile]) -> str:
    """Say which columns give no input, and why, the first of them by their names."""
    names_of: dict[str, list[str]] = {}
    for column in features:
        if not column.inputs and column.kind != "images":
            names_of.setdefault(column.left_out, []).append(column.name)
    reasons = "; ".join(
        f"column{'s' * (len(names) > 1)} {quote_names(names, _NAMED)} "
        f"{'gives no input: it' if len(names) == 1 else 'give no input: each'} {why}"
        for why, names in islice(names_of.items(), _MAX_REASONS)
    )
    numbers = {column.name for column in features if isinstance(column.low, float)}
    same = next((name for name in names_of.get(SAME, ()) if name in numbers), None)
    return reasons if same is None else f"{reasons}; the dataset's option columns: {{{same}: number}} keeps that one"


def _find_highest(table: Table) -> int:
    """The highest value where all inputs are whole numbers from 0, else −1."""
    if table.images is not None:
        inputs = [table.images]
    else:
        used = [column for column in table.features if lay_out_column(column).width]
        if any(column.kind == "date" for column in used):
            return -1
        # All other inputs are 0 or 1.
        inputs = [*table.arrays.values(), *(column.values for column in used if column.kind == "number")]
    if not all(np.all((values == np.floor(values)) & (values >= 0)) for values in inputs):
        return -1
    return max([1, *(int(values.max()) for values in inputs)])


def _time_facts(table: Table, target: Target) -> tuple[str, FoldLimit | None, FoldLimit | None]:
    """Why the rows cannot be split in the order of time, and into how many folds they can, nested and not."""
    if table.time is None:
        return "", None, None
    nothing = np.empty((table.rows, 0), np.float32)
    dataset = Dataset(nothing, target.y, target.task, (), target.class_names, times=table.time.values)
    if obstacle := time_obstacle(dataset):
        return obstacle, None, None
    return "", *time_fold_limits(dataset)


def _check_inputs(columns: Sequence[ColumnProfile]) -> None:
    # One that is kept although it is the same in every row tells nothing.
    if not any(column.inputs and (column.distinct > 1 or column.missing) for column in columns):
        reasons = "; ".join(
            f"column '{column.name}' {column.left_out or SAME}" for column in columns[:_MAX_SHOWN_LEVELS]
        )
        raise InvalidTableError(f"no column tells anything of the target: {reasons}")


def _profile_column(column: Column, role: _Role, inputs: int = 0, left_out: str = "") -> ColumnProfile:
    missing = column.missing
    values = column.values[~missing]
    summary = ColumnProfile(
        name=column.name,
        kind=column.kind,
        role=role,
        missing=int(missing.sum()),
        inputs=inputs,
        left_out=left_out,
        evidence=column.evidence,
        reading=column.reading,
    )
    if column.kind in {"category", "boolean"}:
        return summary.model_copy(update=_count_levels(column, values))
    distinct = len(np.unique(values))
    low, mean, high = (_summarize(values, statistic) for statistic in (np.min, np.mean, np.max))
    kind = "constant" if distinct <= 1 and not column.kept else column.kind
    return summary.model_copy(update={"kind": kind, "distinct": distinct, "low": low, "mean": mean, "high": high})


def _count_levels(column: Column, values: Array) -> dict[str, Any]:
    names = ("false", "true") if column.kind == "boolean" else column.levels
    counts = np.bincount(values, minlength=len(names)).tolist()
    most_frequent = sorted(zip(names, counts, strict=False), key=lambda pair: -pair[1])[:_MAX_SHOWN_LEVELS]
    levels = tuple(Level(name=name, rows=rows) for name, rows in most_frequent if rows)
    distinct = column.distinct if column.kind == "category" else len(levels)
    return {"kind": "constant" if distinct <= 1 else column.kind, "distinct": distinct, "levels": levels}


def _summarize(values: Array, statistic: Any) -> float | str | None:
    if not len(values):
        return None
    if values.dtype.kind == "M":
        return str(statistic(values.astype(np.int64)).astype(np.int64).astype("datetime64[ms]"))
    return float(statistic(values, dtype=np.float64)) if statistic is np.mean else float(statistic(values))


def _profile_images(images: Array, name: str = "") -> ColumnProfile:
    size = " × ".join(map(str, images.shape[1:]))
    low, mean, high = float(images.min()), float(images.mean(dtype=np.float64)), float(images.max())
    inputs = int(np.prod(images.shape[1:]))
    return ColumnProfile(
        name=name or f"images of {size}",
        kind="images",
        low=low,
        mean=mean,
        high=high,
        inputs=inputs,
        shape=images.shape[1:],
    )


def _histogram(y: Array) -> Histogram:
    counts, edges = np.histogram(y.astype(np.float64), bins=_BINS)
    return Histogram(edges=tuple(map(float, edges)), counts=tuple(map(int, counts)))
