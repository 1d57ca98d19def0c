"""Infer how a column is read from all its distinct texts, as a careful person would, and say why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from studies.array import Array
from studies.datasets import date_text, identifiers, levels, number_text
from studies.datasets.number_text import NumberTexts, Style
from studies.datasets.reading import MARKS, MISSING, Reading
from studies.spec.table import ColumnOptions

MAX_STRAYS = 3  # distinct texts that are no values among numbers or dates, and count as missing
MAX_STRAY_SHARE = 0.01  # of the rows that hold them; one row always may
_MIN_VALUES = 10  # distinct ones beside a stray
_SAMPLE = 200
_BOOLEANS = ("false", "true")
_NUMBERS = "numbers"


@dataclass(frozen=True)
class Texts:
    """The distinct texts of a column, as they first came, and the rows of each."""

    name: str
    texts: Sequence[str]
    counts: Array
    semicolons: bool = False  # divide the file's columns: then a comma is likely a decimal point


@dataclass(frozen=True)
class Inference:
    """How a column is read, why, and which of its texts count as missing."""

    reading: Reading
    why: str
    marks: tuple[int, ...] = ()  # texts that stand for a missing value here and not everywhere, by number
    strays: tuple[int, ...] = ()  # texts that are no values where all others are
    odd: bool = False  # a person should know how it is read
    unsure: str = ""  # what a person should look at


def infer(column: Texts, options: ColumnOptions) -> Inference:
    """Choose the reading that all texts fit but for marks of missing values and a stray, numbers before dates."""
    there = np.flatnonzero(~missing_texts(column.texts, options))
    found = next((one for one in _candidates(column, options, there) if one is not None), None)
    if found is None:
        found = Inference(Reading(kind="category"), "texts")
    strays = tuple(column.texts[stray] for stray in found.strays)
    return replace(found, reading=found.reading.model_copy(update={"missing": options.missing, "strays": strays}))


def missing_texts(texts: Sequence[str], options: ColumnOptions) -> Array:
    """Tell which texts stand for a missing value whatever the others are."""
    known = {"", *(text.strip() for text in (MISSING if options.missing is None else options.missing))}
    # `-999` is missing where a typed column holds -999.0.
    numbers = {levels.number_key(text) for text in options.missing or ()} - {""}
    if not numbers:
        return np.array([text.strip() in known for text in texts], bool)
    return np.array([text.strip() in known or levels.number_key(text) in numbers for text in texts], bool)


def is_mark(text: str) -> bool:
    """Tell whether a text stands for a missing value among numbers or dates."""
    return text.strip().casefold() in MARKS


def _candidates(column: Texts, options: ColumnOptions, there: Array) -> Iterator[Inference | None]:
    kind = options.kind
    if kind in {None, "number"} and _are_booleans(column, there):
        yield Inference(Reading(kind="boolean"), "true and false")
    if kind in {"category", "text"}:
        yield Inference(Reading(kind="category"), "as asked")
    if kind in {None, "number"} and options.format is None:
        yield _as_numbers(column, options, there)
    if kind in {None, "date"} and (options.decimal, options.thousands) == (None, None):
        yield _as_dates(column, options, there)


def _are_booleans(column: Texts, there: Array) -> bool:
    return len(there) > 0 and {column.texts[i].strip().lower() for i in there} <= {*_BOOLEANS}


def _as_numbers(column: Texts, options: ColumnOptions, there: Array) -> Inference | None:
    texts = pa.array([column.texts[i].strip() for i in there], pa.string())
    if options.kind is None and _are_surely_no_numbers(texts):
        return None
    split = NumberTexts.split(texts)
    for style, why, unsure in _styles(split, options, semicolons=column.semicolons):
        numbers = split.numbers(style)
        found = _divide(column, there, numbers, asked=options.kind == "number")
        if found is None:
            continue
        marks, strays = found
        known = numbers.is_valid()
        affix, bracketed = split.affix(known), split.bracketed.filter(known)
        if affix is None or pc.all(bracketed).as_py():
            return None
        code = "" if options.kind is not None else _why_code(column.name, split.digits.filter(known))
        if code:
            return Inference(Reading(kind="category"), code, odd=True)
        reading = Reading(kind="number", decimal=style.decimal, thousands=style.thousands, affix=affix)
        words = [why, f"each with '{''.join(affix)}'" if any(affix) else ""]
        words.append("those in brackets are negative" if pc.any(bracketed).as_py() else "")
        said = ", ".join(filter(None, words))
        return Inference(reading, said, marks, strays, said != _NUMBERS, unsure)
    return None


def _are_surely_no_numbers(texts: pa.Array) -> bool:
    """Tell from some of them that more texts are no numbers than may be, so that not all have to be looked at."""
    some = texts.slice(0, _SAMPLE)
    odd = some.filter(NumberTexts.split(some).digits.is_null()).to_pylist()
    return sum(not is_mark(text) for text in odd) > MAX_STRAYS


def _why_code(name: str, digits: pa.Array) -> str:
    if number_text.are_addresses(digits):
        return "network addresses"
    whole = pc.all(pc.match_substring_regex(digits, r"^\d[\d\s]*$")).as_py()
    if whole and number_text.is_code(digits):
        return "whole numbers with zeros in front: codes, no quantities"
    return identifiers.WHY_POSTAL if whole and identifiers.is_postal(name) else ""


def _styles(split: NumberTexts, options: ColumnOptions, *, semicolons: bool) -> Iterator[tuple[Style, str, str]]:
    """The styles to try, in order, each with why and with what is unsure of it."""
    if (options.decimal, options.thousands) != (None, None):
        decimal = options.decimal or ("," if options.thousands == "." else ".")
        yield Style(decimal, options.thousands or ""), "numbers written as asked", ""
        return
    commas, points = split.has(","), split.has(".")
    if not commas and not (points and (semicolons or number_text.repeats(split.digits, "."))):
        yield Style(), _NUMBERS, ""
    for style in _marked_styles(split, commas=commas, points=points, semicolons=semicolons):
        unsure = ""
        mark = style.thousands or style.decimal
        if mark in ",." and not (commas and points) and number_text.is_grouped(split.digits, mark) is None:
            meaning = "divides thousands" if style.thousands else "is a decimal point"
            unsure = f"'{mark}' could divide thousands or be a decimal point; it {meaning} here"
        yield style, _describe(style), unsure
    for mark in " '":
        yield Style(".", mark), _describe(Style(".", mark)), ""
        yield Style(",", mark), _describe(Style(",", mark)), ""
    yield Style(), _NUMBERS, ""


def _marked_styles(split: NumberTexts, *, commas: bool, points: bool, semicolons: bool) -> Iterator[Style]:
    if commas and points:
        yield from (Style(".", ","), Style(",", "."))
    elif commas:
        grouped = number_text.is_grouped(split.digits, ",")
        thousands = grouped or (grouped is None and not semicolons)
        yield from (Style(".", ","), Style(",")) if thousands else (Style(","), Style(".", ","))
    elif points and number_text.is_grouped(split.digits, "."):
        yield Style(",", ".")


def _describe(style: Style) -> str:
    marks = {" ": "blanks", "'": "apostrophes", ",": "commas", ".": "points"}
    words = [f"{marks[style.thousands]} dividing thousands"] if style.thousands else []
    words += ["a comma as the decimal point"] if style.decimal == "," else []
    return "numbers with " + " and ".join(words) if words else _NUMBERS


def _as_dates(column: Texts, options: ColumnOptions, there: Array) -> Inference | None:
    texts = pa.array([column.texts[i].strip() for i in there], pa.string())
    if options.format is not None:
        tried = iter([(options.format, date_text.parse_dates(texts, options.format))])
    else:
        tried = date_text.fitting_formats(texts)
    for date_format, dates in tried:
        found = _divide(column, there, dates, asked=options.kind == "date")
        if found is None:
            continue
        why = f"dates as {date_format}" if date_format else "dates"
        other = date_text.other_order(date_format)
        either = options.format is None and other != date_format and not date_format.startswith("%d.")
        unsure = ""
        if either and date_text.parse_dates(texts, other).null_count <= dates.null_count:
            unsure = f"day and month cannot be told apart; they are read as {date_format}, and could be {other}"
        return Inference(Reading(kind="date", format=date_format), why, *found, unsure=unsure)
    return None


def _divide(
    column: Texts, there: Array, values: pa.Array, *, asked: bool
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Divide what is no value into marks and strays; None when there are too many strays for the kind."""
    misfits = there[np.asarray(values.is_null())]
    marks = [i for i in misfits if is_mark(column.texts[i])]
    strays = [i for i in misfits if not is_mark(column.texts[i])]
    good = len(there) - len(misfits)
    if good == 0:
        return None
    rows = int(column.counts[strays].sum())
    allowed = max(1, MAX_STRAY_SHARE * int(column.counts.sum()))
    few = len(strays) <= MAX_STRAYS and rows <= allowed and (good >= _MIN_VALUES or not strays)
    if not few and not asked:
        return None
    return tuple(map(int, marks)), tuple(map(int, strays))


def values_of(reading: Reading, texts: Sequence[str]) -> Array:
    """Read texts: float64, datetime64[ms] or int8, missing where a text is none or no such value."""
    trimmed = [text.strip() for text in texts]
    array = pa.array(trimmed, pa.string())
    match reading.kind:
        case "number":
            style = Style(reading.decimal, reading.thousands)
            values = number_text.to_floats(NumberTexts.split(array).numbers(style, reading.affix))
            missing: Any = np.nan
        case "date":
            dates = date_text.parse_dates(array, reading.format).to_numpy(zero_copy_only=False)
            values, missing = np.array(dates, dtype="datetime64[ms]"), np.datetime64("NaT")
        case _:
            lowered = [text.lower() for text in trimmed]
            values = np.array([_BOOLEANS.index(text) if text in _BOOLEANS else -1 for text in lowered], np.int8)
            missing = -1
    if reading.missing is not None:
        values[missing_texts(texts, ColumnOptions(missing=reading.missing))] = missing
    return values
