"""The target of a table: which task it asks for, and its values as the task has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.datasets.table import Column, Table, row_number
from studies.errors import InvalidTableError
from studies.objectives import Task

Array = npt.NDArray[Any]

_MOST_WHOLE = 20  # distinct whole numbers that are taken for classes
_MOST_CLASSES = 1000
LEAST_OF_A_CLASS = 5  # rows, so that each part of a split has one
LEAST_ROWS = 10


@dataclass(frozen=True)
class Target:
    """What is to be predicted."""

    task: Task
    y: Array  # int64 class numbers, or float32 targets
    class_names: tuple[str, ...]  # empty for a regression
    counts: tuple[int, ...]  # rows of each class


def target(table: Table) -> Target:
    """The target of a table; InvalidTableError when the task cannot be asked of it."""
    if table.rows < LEAST_ROWS:
        raise InvalidTableError(f"the file has {table.rows} rows; at least {LEAST_ROWS} are needed")
    column, task = table.target, table.options.task
    if column.kind == "date":
        raise _refused(table, "holds dates, which are neither classes nor numbers; make a number of them")
    if column.kind == "numeric" and (task == "regression" or (task is None and not _are_classes(column.values))):
        return _regression(table)
    if task == "regression":
        raise _refused(table, f"holds {_kind_words(column)}, and a regression needs numbers", *_first_text(table))
    return _classes(table)


def _are_classes(values: Array) -> bool:
    distinct = np.unique(values)
    return len(distinct) <= 2 or (len(distinct) <= _MOST_WHOLE and bool((distinct % 1 == 0).all()))


def _regression(table: Table) -> Target:
    values = table.target.values.astype(np.float32)
    if values.min() == values.max():
        raise _refused(table, f"has one value, {values[0]:g}, in every row; there is nothing to predict")
    return Target("regression", values, (), ())


def _classes(table: Table) -> Target:
    names, y = _named(table.target)
    if len(names) == 1:
        raise _refused(table, f"has one class, '{names[0]}', in every row; there is nothing to predict")
    if len(names) > _MOST_CLASSES:
        raise _refused(
            table, f"has {len(names)} classes; at most {_MOST_CLASSES} are told apart, or is it a regression?"
        )
    task: Task = table.options.task or ("binary" if len(names) == 2 else "multiclass")
    if task == "binary" and len(names) > 2:
        shown = ", ".join(f"'{name}'" for name in names[:5])
        raise _refused(table, f"has {len(names)} classes ({shown}…), and a binary task has two; use multiclass")
    counts = np.bincount(y, minlength=len(names))
    rare = int(counts.argmin())
    if counts[rare] < LEAST_OF_A_CLASS:
        first = int(np.flatnonzero(y == rare)[0])
        rows = "one row" if counts[rare] == 1 else f"{counts[rare]} rows"
        raise _refused(
            table,
            f"has {rows} of the class '{names[rare]}', {'' if counts[rare] == 1 else 'the first '}{table.row(first)}; "
            f"each class needs at least {LEAST_OF_A_CLASS} to stand in every part of a split",
            first,
        )
    return Target(task, y, tuple(names), tuple(map(int, counts)))


def _named(column: Column) -> tuple[list[str], Array]:
    """The names of the classes, in order, and each row's number among them."""
    if column.kind == "categorical":
        order = sorted(range(len(column.levels)), key=column.levels.__getitem__)
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        return [column.levels[level] for level in order], places[column.values]
    distinct, y = np.unique(column.values, return_inverse=True)
    if column.kind == "boolean":
        return ["true" if value else "false" for value in distinct], y.astype(np.int64)
    return [str(int(value)) if value % 1 == 0 else str(float(value)) for value in distinct], y.astype(np.int64)


def _kind_words(column: Column) -> str:
    return {"categorical": "text", "boolean": "true and false"}[column.kind]


def _first_text(table: Table) -> tuple[int, ...]:
    """The first row that is no number."""
    column = table.target
    return (
        next(((i,) for i, code in enumerate(column.values) if not _is_number(column.levels[code])), ())
        if column.levels
        else ()
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refused(table: Table, what: str, index: int | None = None) -> InvalidTableError:
    row = None if index is None else row_number(table.format, index)
    where = f"; see {table.row(index)}" if index is not None and "row" not in what else ""
    return InvalidTableError(
        f"target: column '{table.target.name}' {what}{where}", row=row, column=table.target.name, option="target"
    )
