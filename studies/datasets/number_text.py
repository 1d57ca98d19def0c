"""Numbers as people write them: thousands marks, decimal commas, currencies, percent signs, units."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_CURRENCIES = (
    r"[$€£¥₹₽₩₺]|(?:US|CA|A|C|R)\$|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|KRW|TRY"
)
#: A number with what may stand around it; the digits in between are read by a style.
_AFFIXED = (
    rf"^(?P<open>\()?(?P<sign>[-+−]?)\s*(?P<before>{_CURRENCIES})?\s*(?P<inner>[-+−]?)"
    rf"(?P<digits>[\d.,][\d.,'’\s\x{{a0}}\x{{202f}}\x{{2009}}]*?(?:[eE][-+]?\d+)?)\s*"
    rf"(?P<after>%|{_CURRENCIES}|[\p{{L}}°µ][\p{{L}}°µΩ²³/]{{0,9}})?(?P<close>\))?$"
)
_BARE = r"^[-+]?[\d.,]+(?:[eE][-+]?\d+)?$"
_SPACES = r"[\s\x{a0}\x{202f}\x{2009}]"
_GROUPS = {"": "", ",": ",", ".": r"\.", " ": _SPACES, "'": "['’]"}
_LEADING_ZERO = r"^0\d+$"


@dataclass(frozen=True)
class Style:
    """A way to write numbers."""

    decimal: str = "."
    thousands: str = ""

    @property
    def pattern(self) -> str:
        """A regular expression of all its numbers, and of none that are written another way."""
        point, group = re.escape(self.decimal), _GROUPS[self.thousands]
        whole = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+|\d+" if group else r"\d+"
        return rf"^(?:(?:{whole})(?:{point}\d*)?|{point}\d+)(?:[eE][-+]?\d+)?$"


@dataclass(frozen=True)
class NumberTexts:
    """Texts taken apart: the digits of each, and what stands around them."""

    digits: pa.Array  # text without sign and affixes; null where a text is no number in any style
    negative: pa.Array
    bracketed: pa.Array  # as accountants write what is negative
    before: pa.Array
    after: pa.Array

    @classmethod
    def split(cls, texts: pa.Array) -> NumberTexts:
        """Take texts apart."""
        if pc.all(pc.match_substring_regex(texts, _BARE)).as_py():  # most are, and need no parting
            nothing, no = pa.repeat("", len(texts)), pa.repeat(False, len(texts))
            return cls(pc.utf8_ltrim(texts, "+-"), pc.starts_with(texts, "-"), no, nothing, nothing)
        parts = pc.extract_regex(pc.utf8_trim_whitespace(texts), _AFFIXED)
        field = {name: pc.struct_field(parts, name) for name in ("open", "sign", "before", "inner", "digits", "after")}
        bracketed, closed = pc.equal(field["open"], "("), pc.equal(pc.struct_field(parts, "close"), ")")
        signs = pc.binary_join_element_wise(field["sign"], field["inner"], "")
        whole = pc.and_(pc.equal(bracketed, closed), pc.less_equal(pc.utf8_length(signs), 1))
        digits = pc.if_else(whole, pc.utf8_rtrim_whitespace(field["digits"]), None)
        negative = pc.or_(bracketed, pc.is_in(signs, value_set=pa.array(["-", "−"])))
        return cls(digits, negative, bracketed, field["before"], field["after"])

    def affix(self, known: pa.Array) -> tuple[str, str] | None:
        """The one affix of some numbers, empty where none has any; None where they differ."""
        pairs = set(zip(self.before.filter(known).to_pylist(), self.after.filter(known).to_pylist(), strict=True))
        return pairs.pop() if len(pairs) == 1 else None

    def numbers(self, style: Style, affix: tuple[str, str] | None = None) -> pa.Array:
        """The numbers of a style, float64, null where a text is of another, or has another affix than this or none."""
        fitting = pc.match_substring_regex(self.digits, style.pattern)
        if affix is not None:
            bare = pc.and_(pc.equal(self.before, ""), pc.equal(self.after, ""))
            same = pc.and_(pc.equal(self.before, affix[0]), pc.equal(self.after, affix[1]))
            fitting = pc.and_(fitting, pc.or_(bare, same))
        digits = pc.if_else(fitting, self.digits, None)
        if style.thousands:
            digits = pc.replace_substring_regex(digits, _GROUPS[style.thousands], "")
        numbers = pc.cast(pc.replace_substring(digits, style.decimal, "."), pa.float64())
        return pc.if_else(self.negative, pc.negate(numbers), numbers)

    def has(self, mark: str) -> bool:
        """Tell whether a mark stands in any of the numbers."""
        return bool(pc.any(pc.match_substring(self.digits, mark)).as_py())


def are_addresses(digits: pa.Array) -> bool:
    """Tell whether numbers with points are network addresses: four groups up to 255."""
    return bool(pc.all(pc.match_substring_regex(digits.drop_null(), r"^(?:[0-2]?\d?\d\.){3}[0-2]?\d?\d$")).as_py())


def is_code(texts: pa.Array) -> bool:
    """Tell whether whole numbers are codes: one has a zero in front, as `007` has."""
    return bool(pc.any(pc.match_substring_regex(texts, _LEADING_ZERO)).as_py())


def repeats(digits: pa.Array, mark: str) -> bool:
    """Tell whether a mark stands twice in a number, as no decimal point does."""
    return bool(pc.any(pc.match_substring_regex(digits, rf"{_GROUPS[mark]}\d{{3}}{_GROUPS[mark]}")).as_py())


def is_grouped(digits: pa.Array, mark: str) -> bool | None:
    """Tell whether a mark divides thousands, from all numbers of a column; None where it could be a decimal point too.

    Every number with the mark has one to three digits before it and groups of three behind. Then it divides thousands
    where it stands twice in a number, or where whole numbers below 1,000 have none and none above lacks it.
    """
    group = _GROUPS[mark]
    marked = digits.filter(pc.match_substring(digits, mark))
    fits = pc.match_substring_regex(marked, rf"^[1-9]\d{{0,2}}(?:{group}\d{{3}})+(?:\D\d*)?$")
    if not len(marked) or not pc.all(fits).as_py():
        return False
    if pc.any(pc.match_substring_regex(marked, rf"{group}\d{{3}}{group}|{group}\d{{3}}[^\d]")).as_py():
        return True
    bare = digits.filter(pc.invert(pc.match_substring(digits, mark))).drop_null()
    whole = pc.match_substring_regex(bare, r"^\d{1,3}(?:\D\d*)?$")
    if len(bare) and not pc.all(whole).as_py():
        return False
    return True if len(bare) else None


def to_floats(numbers: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Convert to NumPy, NaN where null."""
    return np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
