"""Warn of what a person should look at in a table before trusting what is learned from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from studies.array import Array
from studies.datasets.identifiers import looks_like_rows, tells_target
from studies.datasets.layout import MIN_LEVEL_ROWS, SAME, ColumnLayout
from studies.datasets.levels import similar
from studies.datasets.table import TOLD_APART, Column, Table
from studies.datasets.target import Target

_MAX_NAMED = 5
_MAX_IMBALANCE = 10  # rows of the most frequent class per row of the rarest
_MAX_MISSING = 0.5  # share of a column's values
_MAX_MAGNITUDE = 1e5  # of a column's values per deviation: beyond it float32 blurs them


def why_left_out(column: Column, layout: ColumnLayout) -> str:
    """Say why a feature gives a model no input; empty where it gives one."""
    if layout.width or column.left_out:
        return column.left_out
    if column.missing.all():
        return "has no value in any row"
    if column.kind == "category" and column.distinct > 1:
        if column.distinct >= TOLD_APART:
            many = f"{TOLD_APART:,} values or more, none of the first {TOLD_APART:,}"
            return f"has {many} in {MIN_LEVEL_ROWS} rows or more; levels that come later are not counted"
        return f"has {column.distinct} values, none in {MIN_LEVEL_ROWS} rows or more, as identifiers have"
    return SAME


def find(table: Table, target: Target | None, by_column: Mapping[str, Sequence[str]]) -> list[str]:
    """Write the warnings of a table; `by_column` are those of `find_by_column`."""
    warnings = list(table.notes)
    warnings += [f"column '{name}' {why} and is left out" for name, why in table.ignored.items() if why != "as asked"]
    warnings += [] if target is None else _class_warnings(table, target)
    columns_of: dict[str, list[str]] = defaultdict(list)
    for name, texts in by_column.items():
        for text in texts:
            columns_of[text].append(name)
    return warnings + [f"column{'s' * (len(names) > 1)} {_quote(names)}: {text}" for text, names in columns_of.items()]


def find_by_column(table: Table, target: Target | None, layouts: Sequence[ColumnLayout]) -> dict[str, list[str]]:
    """Write the warnings of each column of a table; `layouts` are those of its features."""
    of_roles = [(column, None) for _, column in table.roles]
    columns = [*zip(table.features, layouts, strict=True), *of_roles]
    return {column.name: _column_warnings(table, target, column, layout) for column, layout in columns}


def _class_warnings(table: Table, target: Target) -> list[str]:
    warnings = []
    if target.counts and max(target.counts) > _MAX_IMBALANCE * min(target.counts):
        rarest = target.class_names[int(np.argmin(target.counts))]
        warnings.append(
            f"class '{rarest}' has {min(target.counts)} of {table.rows} rows; val_accuracy hides how well it is told, "
            "look at val_balanced_accuracy or val_auc, and consider class_weights: balanced"
        )
    warnings += [
        f"the classes {_quote(labels)} differ only by blanks or letter case; merge_spellings makes one of them"
        for labels in similar(target.class_names)
    ]
    return warnings


def _quote(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:_MAX_NAMED]) + (", …" if len(names) > _MAX_NAMED else "")


def _column_warnings(table: Table, target: Target | None, column: Column, layout: ColumnLayout | None) -> list[str]:
    warnings = [evidence.why for evidence in column.evidence if evidence.warns]
    if layout is None:
        return warnings
    left_out = why_left_out(column, layout)
    if left_out:
        return [*warnings, f"{left_out}, and is left out"]
    if column.kept and len(np.unique(column.values)) == 1:
        return [*warnings, f"{SAME}, so it tells nothing; it is kept, for it was asked for as a number"]
    missing = int(column.missing.sum())
    if missing > _MAX_MISSING * table.rows:
        warnings.append(f"has no value in {missing} of {table.rows} rows")
    if layout.other:
        warnings.append(
            f"has {column.distinct} values; the {len(layout.levels)} most frequent are inputs of their own, "
            "the others one"
        )
    warnings += [
        f"the levels {_quote(names)} differ only by letter case; merge_spellings makes one of them"
        for names in similar(column.levels)[:_MAX_NAMED]
    ]
    if looks_like_rows(column):
        warnings.append("counts through whole numbers, one for each row; ignore it if it only numbers them")
    if target is not None and tells_target(column, target):
        warnings.append("tells the target by itself; ignore it if it is the target in other words")
    if column.kind == "number" and _is_blurred(column.values):
        warnings.append("differs so little for its size that 32-bit numbers blur it; subtract a constant from it")
    return warnings


def _is_blurred(values: Array) -> bool:
    largest, deviation = float(np.nanmax(np.abs(values))), float(np.nanstd(values, dtype=np.float64))
    return deviation > 0 and largest > _MAX_MAGNITUDE * deviation
