"""Read new raw values as training read them, and take note of what training never saw."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress

import numpy as np
import pyarrow as pa

from studies.array import Array
from studies.datasets import inference, levels, text_lookup
from studies.datasets.casting import (
    kind_of_type,
    plain,
    to_booleans,
    to_dates,
    to_numbers,
    to_text,
    without_missing_texts,
)
from studies.datasets.layout import ColumnLayout
from studies.datasets.levels import Levels
from studies.datasets.reading import ColumnKind, Reading
from studies.datasets.table import Column, describe_row, is_missing, row_number, spread
from studies.errors import InvalidTableError
from studies.keras_config.vocabulary import Vocabulary
from studies.predictions import Unfamiliar
from studies.spec.table import ColumnOptions, TableFormat

_SHOWN = 5
_LARGEST = np.finfo(np.float32).max
_WORDS = {"number": "a number", "boolean": "true or false", "date": "a date as 2026-01-31"}


def build(
    layout: ColumnLayout, values: pa.ChunkedArray, file_format: TableFormat, vocabulary: Vocabulary | None = None
) -> tuple[Column, list[Unfamiliar]]:
    """Build a column of new rows as the layout's column was read, with the texts' indices in a vocabulary.

    Raises InvalidTableError, which names the row, when a value is of another kind.
    """
    joined = values.combine_chunks()
    joined = plain(pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined)
    found: list[Unfamiliar] = []
    if layout.kind == "category":
        column = _build_levels(layout, joined, file_format, found)
    else:
        column = Column(layout.name, layout.kind, _read(layout, joined, file_format))
    if not layout.lacks:
        missing = np.flatnonzero(column.missing)
        _note(found, layout, "missing", missing, file_format)
    if vocabulary is not None:
        marks = layout.reading.missing if layout.reading is not None else None
        column = replace(column, indices=text_lookup.find_indices(joined, vocabulary, marks))
        _note_written_otherwise(found, layout, joined, column, vocabulary, file_format)
    return column, found


def _build_levels(layout: ColumnLayout, values: pa.Array, file_format: TableFormat, found: list[Unfamiliar]) -> Column:
    """Number the values by the levels that training knew; what is none of them has the number behind the last."""
    if kind_of_type(values.type) is None:
        raise _misfit_error(layout, values, 0, file_format)
    batch = Levels(None)
    codes, texts = batch.add(values), batch.texts
    missing = layout.reading.missing if layout.reading is not None else None
    known = layout.known or layout.levels
    numbers = np.array([*levels.find(known, texts), -1], np.int32)
    numbers[:-1][numbers[:-1] < 0] = len(known)
    numbers[:-1][inference.missing_texts(texts, ColumnOptions(missing=missing))] = -1
    of_rows = numbers[codes]
    if layout.known and layout.knows_all:
        unknown = np.flatnonzero(of_rows == len(known))
        shown = tuple(dict.fromkeys(texts[codes[row]] for row in unknown))[:_SHOWN]
        _note(found, layout, "unknown", unknown, file_format, shown)
    return Column(layout.name, "category", of_rows, tuple(known), len(known))


def _note_written_otherwise(
    found: list[Unfamiliar],
    layout: ColumnLayout,
    values: pa.Array,
    column: Column,
    vocabulary: Vocabulary,
    file_format: TableFormat,
) -> None:
    """Note texts that are a level of training written otherwise, and that the vocabulary does not find.

    Those that differ by blanks alone are not noted: levels have none, so training may have had the same texts.
    """
    known = vocabulary.indices
    in_vocabulary = np.array([*(level in known for level in column.levels), False])
    rows = np.flatnonzero((column.indices == vocabulary.unknown) & in_vocabulary[column.values])
    texts, codes = to_text(values).take(pa.array(rows)).to_pylist(), column.values[rows]
    is_other = np.array([text.strip() != column.levels[code] for text, code in zip(texts, codes, strict=True)], bool)
    shown = tuple(dict.fromkeys(compress(texts, is_other)))
    _note(found, layout, "unknown", rows[is_other], file_format, shown[:_SHOWN])


def _note(
    found: list[Unfamiliar],
    layout: ColumnLayout,
    what: str,
    rows: Array,
    file_format: TableFormat,
    values: tuple[str, ...] = (),
) -> None:
    if len(rows):
        first = tuple(row_number(file_format, int(row)) for row in rows[:_SHOWN])
        found.append(Unfamiliar(column=layout.name, what=what, count=len(rows), rows=first, values=values))


def _read(layout: ColumnLayout, values: pa.Array, file_format: TableFormat) -> Array:
    kind = kind_of_type(values.type)
    if kind == "number" and layout.reading is not None and layout.reading.missing is not None:
        values, kind = to_text(values), "category"  # -999.0 may stand for a missing value, as `-999` does in a text
    read = _read_texts(layout, values, file_format) if kind == "category" else _cast(layout.kind, kind, values)
    if read is None:
        first = next((i for i in range(len(values)) if values[i].is_valid), 0)
        raise _misfit_error(layout, values, first, file_format)
    if layout.kind != "number":
        return read
    infinite = np.flatnonzero(np.abs(read) > _LARGEST)
    if len(infinite):
        first = int(infinite[0])
        raise InvalidTableError(
            f"column '{layout.name}': {describe_row(file_format, first)} is infinite or too large for a 32-bit number",
            row=row_number(file_format, first),
            column=layout.name,
        )
    return read.astype(np.float32)


def _cast(kind: ColumnKind, of_values: ColumnKind | None, values: pa.Array) -> Array | None:
    """Cast what Arrow has typed; None where that is another kind."""
    if pa.types.is_null(values.type):
        of_values = kind
    match kind, of_values:
        case "number", "number" | "boolean":
            return to_numbers(values)
        case "boolean", "boolean":
            return to_booleans(values.cast(pa.bool_()))
        case "date", "date":
            return to_dates(values.cast(pa.timestamp("ms")) if pa.types.is_null(values.type) else values)
    return None


def _read_texts(layout: ColumnLayout, values: pa.Array, file_format: TableFormat) -> Array:
    """Read texts as training did; one that does not fit that, by itself, as a plain number or a date of ISO 8601.

    So a row's value never depends on the other rows that are sent with it.
    """
    reading = layout.reading or Reading(kind=layout.kind)
    plain = Reading(kind=layout.kind, missing=reading.missing, strays=reading.strays)
    quick = _read_quickly(reading, values) if reading == plain else None
    if quick is not None:
        return quick
    batch = Levels(None)
    codes, texts = batch.add(values), batch.texts
    read = inference.values_of(reading, texts)
    misfit = is_missing(read) & ~_stand_for_missing(reading, texts)
    if misfit.any():
        read[misfit] = inference.values_of(plain, [texts[code] for code in np.flatnonzero(misfit)])
        misfit &= is_missing(read)
    if misfit.any():
        first = int(np.flatnonzero(np.append(misfit, False)[codes])[0])
        raise _misfit_error(layout, values, first, file_format)
    return spread(read, codes)


def _read_quickly(reading: Reading, values: pa.Array) -> Array | None:
    """Cast texts that are all plain, as most are; None where one is not."""
    if reading.missing is not None:
        return None
    there = without_missing_texts(values)
    match reading.kind:
        case "number":
            return to_numbers(there, wide=True)
        case "date":
            return to_dates(there)
    return to_booleans(there)


def _stand_for_missing(reading: Reading, texts: list[str]) -> Array:
    known = inference.missing_texts(texts, ColumnOptions(missing=reading.missing))
    marks = np.array([inference.is_mark(text) or text in reading.strays for text in texts], bool)
    return np.asarray(known | marks)


def _misfit_error(layout: ColumnLayout, values: pa.Array, row: int, file_format: TableFormat) -> InvalidTableError:
    expected = _WORDS.get(layout.kind, "text or a number")
    reading = layout.reading
    if reading is not None and reading.format:
        expected = f"a date as {reading.format}"
    return InvalidTableError(
        f"column '{layout.name}': {describe_row(file_format, row)} holds '{str(values[row])[:40]}', not {expected}",
        row=row_number(file_format, row),
        column=layout.name,
    )
