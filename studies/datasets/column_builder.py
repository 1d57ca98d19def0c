"""Build a typed column from Arrow's record batches.

Most columns are read once: numbers, ISO dates and booleans are cast batch by batch, and of a column of texts the levels
are numbered. A column whose texts are neither throughout is read once more, and all its distinct texts together say
what it is (`inference`). So the meaning of a value never depends on where a batch ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

import numpy as np
import pyarrow as pa

from studies.array import Array
from studies.datasets import column_evidence, identifiers, inference, levels, text_lookup
from studies.datasets.casting import (
    class_type_of,
    empty_values,
    kind_of_type,
    plain,
    to_booleans,
    to_dates,
    to_numbers,
    without_missing_texts,
)
from studies.datasets.inference import Inference, Texts
from studies.datasets.levels import Levels
from studies.datasets.reading import ColumnKind, Evidence, Reading
from studies.datasets.table import TOLD_APART, Column, describe_row, is_missing, row_number, spread
from studies.errors import InvalidTableError
from studies.keras_config.vocabulary import Vocabulary
from studies.predictions import ClassType
from studies.spec.table import ColumnOptions, TableFormat

_MAX_WRITTEN = 1000  # distinct texts of a target of numbers: more are no classes
_SHOWN = 5  # stray rows that are kept
_LARGEST = np.finfo(np.float32).max

#: `texts` numbers distinct texts, to infer what they are, and `reread` reads them once more where they were too many to
#: keep; `levels` numbers what is a category in any case.
_Way = Literal["number", "boolean", "date", "texts", "reread", "levels"]
_QUICK: tuple[_Way, ...] = ("boolean", "number", "date")
_WHY = {"number": "numbers", "boolean": "true and false", "date": "dates"}


class ColumnBuilder:
    """One column that is being built; `role` is the option that names it, if any."""

    def __init__(
        self,
        name: str,
        file_format: TableFormat,
        role: str | None,
        options: ColumnOptions | None = None,
        *,
        semicolons: bool = False,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.name, self.role = name, role
        self.failed = False  # to be as its first values are: the column must be read once more
        self._format, self._semicolons = file_format, semicolons
        self._options = options or ColumnOptions()
        self._vocabulary = vocabulary  # in which the model looks up its texts
        self._indices: list[Array] = []
        self._way: _Way | None = None  # None until the first value
        self._found: Inference | None = None
        self._why_category = ""
        self._class_type: ClassType = "text"
        self._rows = 0
        self._chunks: list[Array] = []
        self._levels = Levels(TOLD_APART if role is None else None)
        self._written: list[Array] = []  # of a target of numbers, as numbers of levels
        self._infinite: int | None = None  # the first row whose number is too large
        self._strays: list[tuple[int, str]] = []  # the first rows that hold no value where all others do
        self._stray_rows, self._stray_texts = 0, set[str]()

    def retry(self) -> ColumnBuilder:
        """Make a builder that reads the column again, another way."""
        builder = ColumnBuilder(
            self.name, self._format, self.role, self._options, semicolons=self._semicolons, vocabulary=self._vocabulary
        )
        if self._way == "texts":
            builder._found, builder._way = self._found, "reread"
        else:
            builder._way = "levels" if self._way == "reread" else "texts"
        return builder

    def add(self, values: pa.Array) -> None:
        """Take in the next values."""
        if self.failed:
            return
        values = plain(values)
        if self._vocabulary is not None:
            self._indices.append(text_lookup.find_indices(values, self._vocabulary, self._options.missing))
        if self._way is None and values.null_count < len(values):
            self._way = self._choose_way(values)
            self._class_type = class_type_of(values.type)
            self._chunks = [empty_values(self._way, self._rows, wide=self.role is not None)]
            self._written = [empty_values("levels", self._rows)]
        if self._way is not None:
            chunk = self._cast(self._way, values)
            if chunk is None:
                self.failed = True
                self._chunks.clear()
                return
            self._chunks.append(chunk)
        self._rows += len(values)

    def end(self) -> None:
        """Take note that there are no more values.

        Raises InvalidTableError when the values are of another kind than the options ask for.
        """
        if self.failed:
            return
        if self._way == "texts":
            self._found = self._infer()
            # Not all its texts are at hand: it is read once more as what the others are.
            self.failed = self._found.reading.kind != "category" and self._levels.overflows
        elif self._way == "reread":
            many = self._stray_rows > max(1, inference.MAX_STRAY_SHARE * self._rows)
            many |= len(self._stray_texts) > inference.MAX_STRAYS
            self.failed = many and self._options.kind is None

    def build(self) -> Column:
        """Join the values into a column.

        Raises InvalidTableError when one of them is infinite.
        """
        indices = np.concatenate(self._indices) if self._indices else None
        return replace(self._join(), class_type=self._class_type, indices=indices)

    def _join(self) -> Column:
        way = self._way or "number"
        values = np.concatenate(self._chunks) if self._chunks else empty_values(way, self._rows)
        self._chunks.clear()
        if way == "levels" or (self._found is not None and self._found.reading.kind == "category"):
            return self._build_category(values)
        if self._found is not None:
            return self._build_read(self._found, values)
        self._check_finite()
        kind = cast("ColumnKind", way)
        why = _WHY[kind] if self._way else "it has no values"
        return self._finish(Column(self.name, kind, values, reading=Reading(kind=kind), evidence=(Evidence(why=why),)))

    def _choose_way(self, values: pa.Array) -> _Way:
        kind = kind_of_type(values.type)
        if kind is None:
            raise InvalidTableError(
                f"column '{self.name}' holds {values.type}, not numbers, text, dates, or true and false; list it in "
                "`ignore`",
                column=self.name,
            )
        if self.role == "group" or (self._options.kind in {"category", "text"} and self._options.missing is None):
            return "levels"
        if kind != "category":
            return self._choose_typed(kind, values)
        if self._semicolons or self._options != ColumnOptions() or identifiers.is_postal(self.name):
            return "texts"
        ways = _QUICK[1:] if self.role == "target" else _QUICK  # `True` is a label as it is written
        return next((way for way in ways if self._cast(way, values) is not None), "texts")

    def _choose_typed(self, kind: ColumnKind, values: pa.Array) -> _Way:
        """Choose the way of values that Arrow has typed."""
        asked = self._options.kind
        if kind == "number" and (asked == "date" or self._options.missing is not None):
            return "texts"  # where -999.0 may stand for a missing value, as `-999` does in a text
        postal = asked is None and self.role is None and identifiers.is_postal(self.name)
        if postal and pa.types.is_integer(values.type):
            self._why_category = identifiers.WHY_POSTAL
            return "levels"
        if kind == "boolean" and self.role == "target":
            return "levels"
        if asked not in {None, kind} and (kind, asked) != ("boolean", "number"):
            raise InvalidTableError(
                f"columns: '{self.name}' holds values of the kind {kind}, and the kind {asked} is asked for",
                column=self.name,
                option="columns",
            )
        return cast("_Way", kind)

    def _cast(self, way: _Way, values: pa.Array) -> Array | None:
        """Cast values by a way; None when they do not fit it."""
        if pa.types.is_null(values.type):
            values = values.cast(pa.string())
        kind = kind_of_type(values.type)
        if way in _QUICK and kind not in {way, "category"} and (kind, way) != ("boolean", "number"):
            return None
        match way:
            case "boolean":
                return to_booleans(without_missing_texts(values))
            case "number":
                return self._cast_numbers(values)
            case "date":
                return to_dates(without_missing_texts(values))
            case "reread":
                return self._reread(values)
            case "levels":
                values = without_missing_texts(values)
        return self._levels.add(values)

    def _cast_numbers(self, values: pa.Array) -> Array | None:
        wide = self.role is not None
        numbers = to_numbers(values, wide=wide)
        if numbers is None:
            values = without_missing_texts(values)
            numbers = to_numbers(values, wide=wide)
        if numbers is None or (self.role is None and identifiers.are_codes(values, numbers)):
            return None
        if self.role == "target" and len(self._levels) <= _MAX_WRITTEN:
            self._written.append(self._levels.add(values))
        if self._infinite is None:
            infinite = np.flatnonzero(np.abs(numbers) > _LARGEST)
            self._infinite = self._rows + int(infinite[0]) if len(infinite) else None
        return numbers

    def _reread(self, values: pa.Array) -> Array:
        """Read texts as a part of them was inferred to be; note those that do not fit."""
        batch = Levels(None)
        codes, texts = batch.add(values), batch.texts
        read = self._read(texts)
        misfits = is_missing(read) & ~inference.missing_texts(texts, self._options)
        misfits &= ~np.array([inference.is_mark(text) for text in texts], bool)
        rows = np.flatnonzero(np.append(misfits, False)[codes])  # −1 points at the last
        self._stray_rows += len(rows)
        self._stray_texts.update(texts[code] for code in np.flatnonzero(misfits)[: inference.MAX_STRAYS + 1])
        self._strays += [(self._rows + int(row), texts[codes[row]]) for row in rows[:_SHOWN]]
        return spread(read, codes)

    def _read(self, texts: list[str]) -> Array:
        assert self._found is not None  # noqa: S101  # there is one wherever texts are read by it
        values = inference.values_of(self._found.reading, texts)
        return values.astype(np.float32) if values.dtype == np.float64 and self.role is None else values

    def _infer(self) -> Inference:
        texts, codes = self._levels.texts, np.concatenate(self._chunks)
        counts = np.bincount(codes[(codes >= 0) & (codes < len(texts))], minlength=len(texts))
        found = inference.infer(Texts(self.name, texts, counts, self._semicolons), self._options)
        asked = self._options.kind
        if asked in {"number", "date"} and found.reading.kind == "category" and len(texts):
            raise InvalidTableError(
                f"columns: '{self.name}' holds texts such as '{texts[0][:40]}', and "
                f"{_describe(self._options)} is asked for",
                column=self.name,
                option="columns",
            )
        return found

    def _build_read(self, found: Inference, values: Array) -> Column:
        texts = self._levels.texts
        evidence = column_evidence.of_reading(found, texts)
        written: Column | None = None
        if self._way == "texts":
            evidence += column_evidence.of_missing(found, texts, values, self._format)
            if self.role == "target" and len(self._levels) <= _MAX_WRITTEN:
                written = self._build_category(values)
            values = spread(self._read(texts), values)
        else:
            evidence += column_evidence.of_strays(found, self._strays, self._format, self._stray_rows)
        if found.reading.kind == "number" and (np.abs(values) > _LARGEST).any():
            self._infinite = int(np.flatnonzero(np.abs(values) > _LARGEST)[0])
        self._check_finite()
        kind = found.reading.kind
        column = Column(self.name, kind, values, reading=found.reading, evidence=tuple(evidence), written=written)
        return self._finish(column)

    def _build_category(self, codes: Array) -> Column:
        texts = self._levels.texts
        by_case = self._options.merge_spellings
        # Blanks that tell no labels apart are no part of them.
        by_blanks = by_case or self.role != "target" or len({text.strip() for text in texts}) == len(texts)
        if self._found is not None or self._options.missing is not None:
            missing = np.flatnonzero(inference.missing_texts(texts, self._options))
            codes = np.where(np.isin(codes, missing), -1, codes).astype(np.int32)
        padded: list[tuple[str, ...]] = []
        if self.role == "target":
            codes, texts, padded = levels.merge_padded(codes, texts)
        limit = TOLD_APART if self.role is None else None
        codes, names, distinct = levels.finish(codes, texts, by_case=by_case, by_blanks=by_blanks, limit=limit)
        return Column(
            self.name,
            "category",
            codes,
            names,
            distinct,
            Reading(kind="category", missing=self._options.missing),
            (
                *column_evidence.of_category(self._found, asked=self._options.kind is not None, why=self._why_category),
                *column_evidence.of_padded(padded),
            ),
            "is free text, which gives no input" if self._options.kind == "text" else "",
        )

    def _finish(self, column: Column) -> Column:
        """Add how a target was written, and whether a feature is left out or kept."""
        if self.role == "target" and column.written is None and 0 < len(self._levels) <= _MAX_WRITTEN:
            written = self._build_category(np.concatenate(self._written))
            column = replace(column, written=written, evidence=(*column.evidence, *written.evidence[1:]))
        if self.role is None and self._options.kind is None:
            column = replace(column, left_out=identifiers.why_left_out(column))
        if self.role is None and self._options.kind == "number":
            column = replace(column, kept=True)
        return column

    def _check_finite(self) -> None:
        if self._infinite is not None:
            raise InvalidTableError(
                f"column '{self.name}': {describe_row(self._format, self._infinite)} is infinite or too large for a "
                "32-bit number; leave it empty if it is not known, or say that the column is a category",
                row=row_number(self._format, self._infinite),
                column=self.name,
            )


def _describe(options: ColumnOptions) -> str:
    return f"a date as {options.format}" if options.format is not None else f"the kind {options.kind}"
