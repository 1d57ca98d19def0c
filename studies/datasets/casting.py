"""Cast Arrow values to the NumPy arrays of a kind of column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studies.array import Array
from studies.datasets.table import ColumnKind

_BOOLEANS = pa.array(["true", "false"])
_TIMES = (pa.timestamp("ms"), pa.timestamp("ms", "UTC"))


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
        return "numeric"
    if pa.types.is_date(arrow_type) or pa.types.is_timestamp(arrow_type):
        return "date"
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return "categorical" if any(is_kind(arrow_type) for is_kind in is_text) else None


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
        if kind_of_type(values.type) != "categorical":
            raise
        try:
            numbers = pc.cast(pc.utf8_trim_whitespace(values), arrow_type)
        except pa.ArrowInvalid:
            return None
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64 if wide else np.float32)


def to_dates(values: pa.Array) -> Array | None:
    """Cast to datetime64[ms], NaT where missing; None when a text is no date."""
    for arrow_type in _TIMES:
        try:
            # To whole days or milliseconds: what is finer tells a model nothing.
            dates = pc.cast(values, arrow_type, safe=pa.types.is_string(values.type))
        except pa.ArrowInvalid:
            continue
        return np.asarray(pc.cast(dates, pa.timestamp("ms")).to_numpy(zero_copy_only=False), dtype="datetime64[ms]")
    return None
