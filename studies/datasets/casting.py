"""Cast Arrow values to the NumPy arrays of a kind of column."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studies.array import Array
from studies.datasets.reading import MISSING, ColumnKind
from studies.predictions import ClassType

_MISSING = pa.array(MISSING)
_BOOLEANS = pa.array(["true", "false"])
_TIMES = tuple(pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC"))


def kind_of_type(arrow_type: pa.DataType) -> ColumnKind | None:
    """The kind that values of an Arrow type are read as; None when they cannot be."""
    if pa.types.is_dictionary(arrow_type):
        return kind_of_type(arrow_type.value_type)
    if pa.types.is_boolean(arrow_type):
        return "boolean"
    if any(
        is_numeric(arrow_type)
        for is_numeric in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    ):
        return "number"
    if pa.types.is_date(arrow_type) or pa.types.is_timestamp(arrow_type):
        return "date"
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return "category" if any(is_kind(arrow_type) for is_kind in is_text) else None


def class_type_of(arrow_type: pa.DataType) -> ClassType:
    """What values of an Arrow type are as classes."""
    if pa.types.is_boolean(arrow_type):
        return "boolean"
    if pa.types.is_integer(arrow_type):
        return "integer"
    return "number" if pa.types.is_floating(arrow_type) else "text"


def plain(values: pa.Array) -> pa.Array:
    """The same values as Arrow's functions take them: no dictionary, and no views, which polars gives for text."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values.cast(pa.large_string()) if pa.types.is_string_view(values.type) else values


def to_text(values: pa.Array) -> pa.Array:
    """Write values as text, numbers and booleans as Python does: `7`, `7.5`, `7.0` for a float, `True`."""
    values = plain(values)
    if pa.types.is_null(values.type):
        return values.cast(pa.string())
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, "True", "False")
    if not pa.types.is_floating(values.type):
        return pc.cast(values, pa.string())
    encoded = values.dictionary_encode()
    texts = [None if math.isnan(value) else repr(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def to_booleans(values: pa.Array) -> Array | None:
    """Cast booleans, or `true` and `false` as text, to int8, −1 where missing; None when a text is another."""
    if not pa.types.is_boolean(values.type):
        lowered = pc.utf8_lower(pc.utf8_trim_whitespace(values))
        if not pc.all(pc.is_in(lowered, value_set=_BOOLEANS).filter(values.is_valid())).as_py():
            return None
        values = pc.equal(lowered, "true")
    return np.asarray(pc.cast(values, pa.int8()).fill_null(-1))


def to_numbers(values: pa.Array, *, wide: bool = False) -> Array | None:
    """Cast to float32, or if `wide` to float64, NaN where missing; None when a text is no number."""
    arrow_type = pa.float64() if wide else pa.float32()
    try:
        numbers = pc.cast(values, arrow_type, safe=False)
    except pa.ArrowInvalid:
        if kind_of_type(values.type) != "category":
            raise
        try:
            numbers = pc.cast(pc.utf8_trim_whitespace(values), arrow_type)
        except pa.ArrowInvalid:
            return None
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64 if wide else np.float32)


def to_dates(values: pa.Array) -> Array | None:
    """Cast to datetime64[ms], NaT where missing; None when a text is no date of ISO 8601."""
    for arrow_type in _TIMES:
        try:
            dates = pc.cast(values, arrow_type, safe=pa.types.is_string(values.type))
        except pa.ArrowInvalid:
            continue
        # To whole days or milliseconds: what is finer tells a model nothing.
        milliseconds = pc.cast(pc.cast(dates, pa.timestamp("ms", dates.type.tz), safe=False), pa.timestamp("ms"))
        return np.asarray(milliseconds.to_numpy(zero_copy_only=False), dtype="datetime64[ms]")
    return None


def without_missing_texts(values: pa.Array) -> pa.Array:
    """Put nothing where a text stands for a missing value."""
    if kind_of_type(values.type) != "category":
        return values
    marks = pc.is_in(pc.utf8_trim_whitespace(values), value_set=_MISSING.cast(values.type))
    return pc.if_else(marks, None, values) if pc.any(marks).as_py() else values


def empty_values(kind: str, rows: int, *, wide: bool = False) -> Array:
    """The values of rows that have none yet; of any kind but these the numbers of levels."""
    match kind:
        case "number":
            return np.full(rows, np.nan, np.float64 if wide else np.float32)
        case "date":
            return np.full(rows, np.datetime64("NaT"), "datetime64[ms]")
        case "boolean":
            return np.full(rows, -1, np.int8)
    return np.full(rows, -1, np.int32)
