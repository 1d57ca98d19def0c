"""Dates as people write them: ISO 8601, and the common orders of day, month and year."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

_TIMES = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
#: In the order in which they are tried. Where day and month cannot be told apart the first that fits is taken.
_DAYS = (
    "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y",
    "%d.%m.%Y", "%d.%m.%y",
    "%m-%d-%Y", "%d-%m-%Y", "%m-%d-%y", "%d-%m-%y",
    "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d",
    "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y", "%d. %b %Y", "%d. %B %Y",
)  # fmt: skip
_FORMATS = tuple(day + time for day in _DAYS for time in _TIMES)
_ISO = tuple(pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC"))
_FRACTION = r"(:\d{2})[.,]\d+"
_SAMPLE = 100


def parse_dates(texts: pa.Array, date_format: str) -> pa.Array:
    """Parse texts of a format, ISO 8601 where it is empty; timestamps in ms, UTC, null where a text is no such date."""
    if date_format:
        return _parse_format(texts, date_format)
    whole = _parse_iso(texts)
    if whole is not None:
        return whole
    # A cast fails as a whole: find out which texts are dates.
    plain = pc.replace_substring_regex(texts, r"(\d)T(\d)", r"\1 \2")
    plain = pc.replace_substring_regex(plain, r"(:\d{2})(?:\.\d+)?Z$", r"\1")
    return pc.coalesce(*(_parse_format(plain, f"%Y-%m-%d{time}") for time in _TIMES[:3]))


def _parse_iso(texts: pa.Array) -> pa.Array | None:
    for kind in _ISO:
        try:
            moments = pc.cast(texts, kind)
        except pa.ArrowInvalid:
            continue
        # What is finer than a millisecond tells a model nothing.
        return pc.cast(pc.cast(moments, pa.timestamp("ms", moments.type.tz), safe=False), pa.timestamp("ms"))
    return None


def _parse_format(texts: pa.Array, date_format: str) -> pa.Array:
    trimmed = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _FRACTION, r"\1")
    # Arrow takes two digits for a year of four.
    years = r"\d{4}" if "%Y" in date_format else r"\D\d{2}(?:\s|$)"
    likely = pc.if_else(pc.match_substring_regex(trimmed, years), trimmed, None)
    moments = pc.strptime(likely, format=date_format, unit="s", error_is_null=True)
    return pc.cast(moments, pa.timestamp("ms"))


def fitting_formats(texts: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    """The formats in which most of the texts are dates, with these: the fewest misfits first."""
    first = texts.slice(0, _SAMPLE)
    likely = [""] if _looks_iso(first) else []
    likely += [one for one in _FORMATS if parse_dates(first, one).null_count < len(first) / 2]
    found = [(one, parse_dates(texts, one)) for one in likely]
    return iter(sorted(found, key=lambda pair: int(pair[1].null_count)))


def _looks_iso(texts: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, r"^\s*\d{4}-\d{2}-\d{2}")).as_py())


def other_order(date_format: str) -> str:
    """The format with day and month in the other order; the same where their order is told by words or the year."""
    if not date_format or date_format.startswith("%Y") or "%b" in date_format or "%B" in date_format:
        return date_format
    return date_format.translate(str.maketrans("md", "dm"))
