"""Columns that name or count rows instead of telling about them: row numbers, identifiers, codes."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studies.array import Array
from studies.datasets.casting import kind_of_type
from studies.datasets.table import Column
from studies.datasets.target import Target

WHY_POSTAL = "postal codes by its name"
_POSTAL = re.compile(r"^(.*[_ ])?(zip|zip[_ ]?code|plz|post(al)?[_ ]?code)$", re.IGNORECASE)
_ROW_NAME = re.compile(
    r"^(column 1|unnamed: 0(\.\d+)?|__index_level_\d+__|row[_ ]?(names?|id|nr|num(ber)?)?|index|idx|nr\.?|no\.?|#"
    r"|s\.?no\.?|obs(ervation)?)$",
    re.IGNORECASE,
)
_ID_NAME = re.compile(r"^(.*[_ .-])?(id|uuid|guid|key|no\.?|num|number)$|^.*(nr\.?|nummer)$", re.IGNORECASE)
_CAMEL_ID = re.compile(r"^.*[a-z](Id|ID)$")
_HEAD = 256  # values that are looked at before all are
_MAX_EXACT = 2**24  # whole numbers up to it are exact as float32
_MIN_ROWS = 10
_SAME = 1 - 1e-9  # correlation


def is_postal(name: str) -> bool:
    """Tell whether a column's name says that it holds postal codes."""
    return _POSTAL.match(name.strip()) is not None


def are_codes(values: pa.Array, numbers: Array) -> bool:
    """Tell whether texts that are whole numbers are codes: one has a zero in front, as `007` has."""
    if kind_of_type(values.type) != "category" or not _are_whole(numbers[:_HEAD]):
        return False
    zeros = pc.starts_with(values, "0")
    if not pc.any(pc.and_(zeros, pc.greater(pc.binary_length(values), 1))).as_py():
        return False
    return _are_whole(numbers) and bool(pc.any(pc.match_substring_regex(values.filter(zeros), r"^0\d+$")).as_py())


def _are_whole(numbers: Array) -> bool:
    return bool(((np.floor(numbers) == numbers) | np.isnan(numbers)).all())


def why_left_out(column: Column) -> str:
    """Say why a feature of numbers is no input: it counts the rows, or names them; empty where it is one."""
    values, name = column.values, column.name.strip()
    if column.kind != "number" or len(values) < _MIN_ROWS or not _are_whole(values[:_HEAD]):
        return ""
    if _ROW_NAME.match(name) and _all_differ(values):
        return "is the number of the row"
    if _is_id_name(name) and _all_differ(values):
        return "is an identifier by its name and its values"
    return ""


def _is_id_name(name: str) -> bool:
    return (_ID_NAME.match(name) or _CAMEL_ID.match(name)) is not None


def _all_differ(values: Array) -> bool:
    """Tell whether whole numbers differ from row to row; identifiers may be too large for float32 to tell all apart."""
    if np.isnan(values).any() or not _are_whole(values):
        return False
    distinct = len(np.unique(values))
    return distinct == len(values) or (float(values.max()) > _MAX_EXACT and 2 * distinct > len(values))


def looks_like_rows(column: Column) -> bool:
    """Tell whether a feature counts the rows by its values: whole numbers without a gap, each once."""
    values = column.values
    if column.kind != "number" or len(values) < _MIN_ROWS or not _are_whole(values[:_HEAD]) or column.left_out:
        return False
    if np.isnan(values).any() or float(values.max() - values.min()) != len(values) - 1:
        return False
    return _all_differ(values)


def tells_target(column: Column, target: Target) -> bool:
    """Tell whether a feature is the target in other words: the same number, or a level for each class."""
    if target.task == "regression":
        return column.kind == "number" and _is_same_number(column.values, target.y)
    if len(np.unique(column.values[:_HEAD])) > len(target.class_names):
        return False
    named = column.kind in {"category", "boolean"}
    values = column.values if named else np.unique(column.values, return_inverse=True)[1]
    if column.missing.any() or int(values.max(initial=0)) + 1 != len(target.class_names):
        return False
    return len(np.unique(values.astype(np.int64) * len(target.class_names) + target.y)) == len(target.class_names)


def _is_same_number(values: Array, y: Array) -> bool:
    """Tell whether one is the other but for scale and offset, as a unit is for another."""
    if np.isnan(values).any() or float(values.std()) == 0:
        return False
    return bool(abs(np.corrcoef(values.astype(np.float64), y)[0, 1]) > _SAME)
