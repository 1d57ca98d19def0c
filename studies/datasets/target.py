"""Derive the task and the target values from a table's target column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from studies.array import Array
from studies.datasets.table import Column, Table, row_number
from studies.errors import InvalidTableError
from studies.objectives import Task
from studies.predictions import ClassType

_MAX_WHOLE_NUMBERS = 20  # distinct ones that are taken for classes
_MAX_CLASSES = 1000
_MIN_CLASS_ROWS = 5  # so that each part of a split has one
_MIN_ROWS = 10


@dataclass(frozen=True)
class Target:
    """The values to predict."""

    task: Task
    y: Array  # int64 class numbers, or float64 targets
    class_names: tuple[str, ...]  # empty for a regression
    counts: tuple[int, ...]  # rows of each class
    why: str  # the task is this
    class_type: ClassType = "text"  # what the names of the classes stand for


def derive_target(table: Table) -> Target:
    """Derive the target of a table, and its task unless the options name one.

    Raises InvalidTableError when the column's values do not fit the task, or there are too few rows of a class.
    """
    if table.rows < _MIN_ROWS:
        raise InvalidTableError(f"the file has {table.rows} rows; at least {_MIN_ROWS} are needed")
    column, task = table.target, table.options.task
    if column.kind == "date":
        raise _error(table, "holds dates, which are neither classes nor numbers; make a number of them")
    if column.kind == "number" and task in {None, "regression"}:
        classes = "" if task == "regression" else _why_classes(table)
        if not classes:
            return _regression_target(table)
        return _class_target(table, classes)
    if task == "regression":
        raise _error(table, f"holds {_kind_words(column)}, and a regression needs numbers", *_first_text(table))
    return _class_target(table, "as asked" if task else "its values are texts")


def _why_classes(table: Table) -> str:
    """Say why a target's numbers are classes; empty where they are quantities."""
    column = table.target
    distinct, counts = np.unique(column.values, return_counts=True)
    if len(distinct) > _MAX_WHOLE_NUMBERS:
        return ""
    written = 0 if column.written is None else len(column.written.levels)
    if len(distinct) < written <= _MAX_WHOLE_NUMBERS:
        return f"its values are {written} texts, and only {len(distinct)} numbers: labels"
    if len(distinct) <= 2:
        return "it has two values" if len(distinct) == 2 else "it has one value"
    too_rare = counts.min() < _MIN_CLASS_ROWS and not table.options.drop_rare_classes
    if too_rare or not (distinct % 1 == 0).all():
        return ""
    return f"its values are {len(distinct)} whole numbers"


def _regression_target(table: Table) -> Target:
    values = table.target.values.astype(np.float64)
    if values.min() == values.max():
        raise _error(table, f"has one value, {values[0]:g}, in every row; there is nothing to predict")
    distinct = len(np.unique(values))
    why = "as asked" if table.options.task else f"its values are {distinct} numbers"
    return Target("regression", values, (), (), why)


def without_rare_classes(table: Table) -> Table:
    """Leave out the rows of classes that are too rare for every part of a split to have one; the same for numbers."""
    column = table.target
    if column.kind == "date" or table.options.task == "regression":
        return table
    if column.kind == "number" and table.options.task is None and not _why_classes(table):
        return table
    names, y = _number_classes(column)
    counts = np.bincount(y, minlength=len(names))
    rare = np.flatnonzero(counts < _MIN_CLASS_ROWS)
    if not len(rare):
        return table
    kept = np.flatnonzero(counts[y] >= _MIN_CLASS_ROWS)
    named = ", ".join(f"'{names[label]}'" for label in rare[:5]) + (", …" if len(rare) > 5 else "")
    note = f"{table.rows - len(kept)} of {table.rows} rows are of classes with fewer than {_MIN_CLASS_ROWS} rows"
    return table.take(kept, f"{note} ({named}) and are left out")


def _class_target(table: Table, why: str) -> Target:
    names, y = _number_classes(table.target)
    if len(names) == 1:
        raise _error(table, f"has one class, '{names[0]}', in every row; there is nothing to predict")
    if len(names) > _MAX_CLASSES:
        raise _error(table, f"has {len(names)} classes; at most {_MAX_CLASSES} are told apart, or is it a regression?")
    task: Task = table.options.task or ("binary" if len(names) == 2 else "multiclass")
    if task == "binary" and len(names) > 2:
        first_names = ", ".join(f"'{name}'" for name in names[:5])
        raise _error(
            table, f"has {len(names)} classes ({first_names}…), and a binary task has two; use {_task_for(table)}"
        )
    counts = np.bincount(y, minlength=len(names))
    rare = int(counts.argmin())
    if counts[rare] < _MIN_CLASS_ROWS:
        first = int(np.flatnonzero(y == rare)[0])
        rows = "one row" if counts[rare] == 1 else f"{counts[rare]} rows"
        raise _error(
            table,
            f"has {rows} of the class '{names[rare]}', {'' if counts[rare] == 1 else 'the first '}"
            f"{table.describe_row(first)}; each class needs at least {_MIN_CLASS_ROWS} to stand in every part of a "
            "split; drop_rare_classes leaves such rows out",
            first,
        )
    return Target(task, y, tuple(names), tuple(map(int, counts)), why, table.target.class_type)


def _task_for(table: Table) -> str:
    """The task of a target that is not binary."""
    is_number = table.target.kind == "number" and len(np.unique(table.target.values)) > _MAX_WHOLE_NUMBERS
    return "regression" if is_number else "multiclass"


def _number_classes(column: Column) -> tuple[list[str], Array]:
    """Sort the names of the classes, as they were written, and number each row's class among them."""
    named = column if column.kind == "category" else column.written
    if named is None:
        distinct, y = np.unique(column.values, return_inverse=True)
        return [str(int(value)) if value % 1 == 0 else str(float(value)) for value in distinct], y.astype(np.int64)
    order = sorted(range(len(named.levels)), key=_sort_key(named.levels))
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(len(order))
    return [named.levels[level] for level in order], numbers[named.values]


def _sort_key(levels: Sequence[str]) -> Callable[[int], tuple[float, str]]:
    """Sort numbers by their size, and texts by their letters."""
    numeric = all(map(_is_number, levels))
    return lambda level: (float(levels[level]) if numeric else 0.0, levels[level])


def _kind_words(column: Column) -> str:
    return "text" if column.kind == "category" else "true and false"


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
    row = None if index is None else row_number(table.format, table.file_row(index))
    where = f"; see {table.describe_row(index)}" if index is not None and "row" not in what else ""
    return InvalidTableError(
        f"target: column '{table.target.name}' {what}{where}", row=row, column=table.target.name, option="target"
    )
