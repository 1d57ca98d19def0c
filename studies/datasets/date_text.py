"""Dates as people write them: ISO 8601, and the common orders of day, month and year."""

from __future__ import annotations

import re
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
_DIRECTIVES = {
    "d": r"(?P<day>\d{1,2})", "m": r"\d{1,2}", "Y": r"\d{4}", "y": r"\d{2}", "H": r"\d{1,2}", "I": r"\d{1,2}",
    "M": r"\d{1,2}", "S": r"\d{1,2}", "b": r"\p{L}+\.?", "B": r"\p{L}+\.?", "p": r"[AaPp][Mm]", "%": "%",
}  # fmt: skip
_ZONE = r":\d{2}(?:\.\d+)?\s*(?:Z|[+-]\d{2}:?\d{2})$"
_FRACTION = r"(:\d{2})[.,]\d+"
_SAMPLE = 100


def parse_dates(texts: pa.Array, date_format: str) -> pa.Array:
    """Parse texts of a format, ISO 8601 where it is empty; timestamps in ms, UTC, null where a text is no such date."""
    return _parse_format(texts, date_format) if date_format else _parse_iso(texts)


def _parse_iso(texts: pa.Array) -> pa.Array:
    zoned = pc.match_substring_regex(texts, _ZONE)
    parsed = [_cast_iso(pc.if_else(zoned, texts, None), "UTC"), _cast_iso(pc.if_else(zoned, None, texts), None)]
    return pc.coalesce(*parsed)


def _cast_iso(texts: pa.Array, zone: str | None) -> pa.Array:
    """Cast texts that all have a zone, or none has; null where one is no date."""
    for unit in ("ms", "us", "ns"):
        try:
            moments = pc.cast(texts, pa.timestamp(unit, zone))
        except pa.ArrowInvalid:
            continue
        # What is finer than a millisecond tells a model nothing.
        return pc.cast(pc.cast(moments, pa.timestamp("ms", zone), safe=False), pa.timestamp("ms"))
    # A cast fails as a whole: find out which texts are dates. Of a zone that is not UTC there is no second look.
    plain = pc.replace_substring_regex(texts, r"(\d)T(\d)", r"\1 \2")
    plain = pc.replace_substring_regex(plain, r"Z$", "")
    return pc.coalesce(*(_parse_format(plain, f"%Y-%m-%d{time}") for time in _TIMES[:3]))


def _parse_format(texts: pa.Array, date_format: str) -> pa.Array:
    """Parse a format strictly: Arrow itself takes two digits for a year of four, and the 31st of June for July 1st."""
    parts = pc.extract_regex(
        pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _FRACTION, r"\1"), _pattern(date_format)
    )
    whole = pc.struct_field(parts, "whole")
    moments = pc.strptime(whole, format=date_format.replace(".%f", ""), unit="s", error_is_null=True)
    if "%d" in date_format:
        day = pc.cast(pc.struct_field(parts, "day"), pa.int64())
        moments = pc.if_else(pc.equal(pc.day(moments), day), moments, None)
    return pc.cast(moments, pa.timestamp("ms"))


def _pattern(date_format: str) -> str:
    """A regular expression of a format's texts: the whole, and its day."""
    escaped = re.sub(r"%(.)|(\s+)|(.)", _escape, date_format.replace(".%f", ""))
    return rf"^(?P<whole>{escaped})$"


def _escape(part: re.Match[str]) -> str:
    directive, blanks, other = part.groups()
    if directive is not None:
        return _DIRECTIVES.get(directive, ".+?")
    return r"\s+" if blanks is not None else re.escape(other)


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
