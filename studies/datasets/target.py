"""Derive the task and the target values from a table's target column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.array import Array
from studies.datasets.table import Column, Table, row_number
from studies.errors import InvalidTableError
from studies.objectives import Task

_MAX_WHOLE_NUMBERS = 20  # distinct ones that are taken for classes
_MAX_CLASSES = 1000
_MIN_CLASS_ROWS = 5  # so that each part of a split has one
_MIN_ROWS = 10


@dataclass(frozen=True)
class Target:
    """The values to predict."""

    task: Task
    y: Array  # int64 class numbers, or float32 targets
    class_names: tuple[str, ...]  # empty for a regression
    counts: tuple[int, ...]  # rows of each class


def derive_target(table: Table) -> Target:
    """Derive the target of a table, and its task unless the options name one.

    Raises InvalidTableError when the column's values do not fit the task, or there are too few rows of a class.
    """
    if table.rows < _MIN_ROWS:
        raise InvalidTableError(f"the file has {table.rows} rows; at least {_MIN_ROWS} are needed")
    column, task = table.target, table.options.task
    if column.kind == "date":
        raise _error(table, "holds dates, which are neither classes nor numbers; make a number of them")
    if column.kind == "numeric" and (task == "regression" or (task is None and not _look_like_classes(column.values))):
        return _regression_target(table)
    if task == "regression":
        raise _error(table, f"holds {_kind_words(column)}, and a regression needs numbers", *_first_text(table))
    return _class_target(table)


def _look_like_classes(values: Array) -> bool:
    distinct = np.unique(values)
    return len(distinct) <= 2 or (len(distinct) <= _MAX_WHOLE_NUMBERS and bool((distinct % 1 == 0).all()))


def _regression_target(table: Table) -> Target:
    values = table.target.values.astype(np.float32)
    if values.min() == values.max():
        raise _error(table, f"has one value, {values[0]:g}, in every row; there is nothing to predict")
    return Target("regression", values, (), ())


def _class_target(table: Table) -> Target:
    names, y = _number_classes(table.target)
    if len(names) == 1:
        raise _error(table, f"has one class, '{names[0]}', in every row; there is nothing to predict")
    if len(names) > _MAX_CLASSES:
        raise _error(table, f"has {len(names)} classes; at most {_MAX_CLASSES} are told apart, or is it a regression?")
    task: Task = table.options.task or ("binary" if len(names) == 2 else "multiclass")
    if task == "binary" and len(names) > 2:
        first_names = ", ".join(f"'{name}'" for name in names[:5])
        raise _error(table, f"has {len(names)} classes ({first_names}…), and a binary task has two; use multiclass")
    counts = np.bincount(y, minlength=len(names))
    rare = int(counts.argmin())
    if counts[rare] < _MIN_CLASS_ROWS:
        first = int(np.flatnonzero(y == rare)[0])
        rows = "one row" if counts[rare] == 1 else f"{counts[rare]} rows"
        raise _error(
            table,
            f"has {rows} of the class '{names[rare]}', {'' if counts[rare] == 1 else 'the first '}"
            f"{table.describe_row(first)}; each class needs at least {_MIN_CLASS_ROWS} to stand in every part of a "
            "split",
            first,
        )
    return Target(task, y, tuple(names), tuple(map(int, counts)))


def _number_classes(column: Column) -> tuple[list[str], Array]:
    """Sort the names of the classes, and number each row's class among them."""
    if column.kind == "categorical":
        order = sorted(range(len(column.levels)), key=column.levels.__getitem__)
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.arange(len(order))
        return [column.levels[level] for level in order], numbers[column.values]
    distinct, y = np.unique(column.values, return_inverse=True)
    if column.kind == "boolean":
        return ["true" if value else "false" for value in distinct], y.astype(np.int64)
    return [str(int(value)) if value % 1 == 0 else str(float(value)) for value in distinct], y.astype(np.int64)


def _kind_words(column: Column) -> str:
    return {"categorical": "text", "boolean": "true and false"}[column.kind]


def _first_text(table: Table) -> tuple[int, ...]:
    """Find the first row that is no number; empty where the column is no text."""
    column = table.target
    if not column.levels:
        return ()
    return next(((i,) for i, code in enumerate(column.values) if not _is_number(column.levels[code])), ())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _error(table: Table, what: str, index: int | None = None) -> InvalidTableError:
    row = None if index is None else row_number(table.format, index)
    where = f"; see {table.describe_row(index)}" if index is not None and "row" not in what else ""
    return InvalidTableError(
        f"target: column '{table.target.name}' {what}{where}", row=row, column=table.target.name, option="target"
    )
