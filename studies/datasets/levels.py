"""The levels of a category: numbered as they come, merged where asked, and found again in new rows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from studies.array import Array
from studies.datasets.casting import to_text
from studies.datasets.table import KEPT_LEVELS, sort_by_frequency

#: Without an exponent: `1E5` may be a code.
_PLAIN_NUMBER = re.compile(r"^-?(?:0|[1-9]\d*)(?:\.\d*)?$")


class Levels:
    """Distinct texts, numbered in the order in which they come; all above a limit share one number."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def texts(self) -> list[str]:
        """The texts, by number."""
        return list(self._numbers)

    @property
    def overflows(self) -> bool:
        """Tell whether there may be more texts than are told apart."""
        return self._limit is not None and len(self._numbers) >= self._limit

    def add(self, values: pa.Array) -> Array:
        """Number the next values: int32, −1 where missing, the limit where there are too many."""
        encoded = to_text(values).dictionary_encode()
        levels, known = encoded.dictionary.to_pylist(), self._numbers
        for level in levels:
            if level not in known and not self.overflows:
                known[level] = len(known)
        numbers = np.array([*(known.get(level, self._limit or 0) for level in levels), -1], np.int32)
        return np.asarray(numbers[np.asarray(encoded.indices.fill_null(-1))])


def finish(
    codes: Array, texts: Sequence[str], *, by_case: bool, by_blanks: bool, limit: int | None
) -> tuple[Array, tuple[str, ...], int]:
    """Merge levels and sort them by frequency: each row's number, the names that are kept, and the number of levels.

    With a limit, which rows of texts that were not told apart have as their number, the rarest levels share a number
    behind the kept ones.
    """
    codes, names = merge(codes, texts, by_case=by_case, by_blanks=by_blanks)
    untold = codes >= limit if limit is not None else np.zeros(len(codes), bool)
    codes, names = sort_by_frequency(np.where(untold, -1, codes), names)
    distinct = len(names)
    if limit is not None and distinct > KEPT_LEVELS:
        codes, names = np.minimum(codes, np.int32(KEPT_LEVELS)), names[:KEPT_LEVELS]
        codes[untold] = KEPT_LEVELS
    return codes, tuple(names), distinct


def merge(codes: Array, texts: Sequence[str], *, by_case: bool, by_blanks: bool) -> tuple[Array, list[str]]:
    """Make one level of texts that differ only by blanks around them, or by letter case too; keep the commonest name.

    Codes from the number of texts on, and −1, stay as they are.
    """
    if not by_case and not by_blanks:
        return codes, list(texts)
    groups: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        groups[_key(text) if by_case else text.strip()].append(number)
    if len(groups) == len(texts) and not by_blanks:
        return codes, list(texts)
    counts = np.bincount(codes[(codes >= 0) & (codes < len(texts))], minlength=len(texts))
    new_numbers, names = np.arange(len(texts) + 1, dtype=np.int32), list[str]()
    for number, (key, members) in enumerate(groups.items()):
        new_numbers[members] = number
        commonest = max(members, key=lambda member: (counts[member], -member))
        names.append(texts[commonest].strip() if by_case else key)
    told = (codes >= 0) & (codes < len(texts))
    return np.where(told, new_numbers[np.where(told, codes, 0)], codes).astype(np.int32), names


def similar(levels: Sequence[str]) -> list[tuple[str, ...]]:
    """The levels that differ from others only by letter case or by blanks, group by group."""
    groups: dict[str, list[str]] = defaultdict(list)
    for level in levels:
        groups[_key(level)].append(level)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def find(known: Sequence[str], levels: Sequence[str]) -> list[int]:
    """Find each level among the known ones, −1 where it is none of them.

    Blanks around it and its letter case count only where known levels differ by them alone; a number is found however
    it is written, `7` as `7.0`.
    """
    exact = {level: number for number, level in enumerate(known)}
    alike, equal = _unique(map(_key, known)), _unique(map(number_key, known))
    return [_find(level, exact, alike, equal) for level in levels]


def _find(level: str, exact: Mapping[str, int], alike: Mapping[str, int], equal: Mapping[str, int]) -> int:
    for name, among in ((level, exact), (level.strip(), exact), (_key(level), alike), (number_key(level), equal)):
        if name in among:
            return among[name]
    return -1


def _unique(keys: Iterable[str]) -> dict[str, int]:
    """Number keys, without those that several have, and the empty one."""
    found: dict[str, int] = {}
    several = {""}
    for number, key in enumerate(keys):
        if key in found:
            several.add(key)
        found[key] = number
    return {key: number for key, number in found.items() if key not in several}


def _key(level: str) -> str:
    return level.strip().casefold()


def number_key(level: str) -> str:
    """The number that a level writes, without what only pads it; empty where it is none, or has zeros in front."""
    text = level.strip().removeprefix("+")
    if not _PLAIN_NUMBER.match(text):
        return ""
    return text.rstrip("0").removesuffix(".") if "." in text else text


def merge_padded(codes: Array, texts: Sequence[str]) -> tuple[Array, list[str], list[tuple[str, ...]]]:
    """Make one level of a whole number that is written `1` and `1.0`; return also which texts were made one."""
    keys = [_whole_key(text) for text in texts]
    groups: dict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        groups[key].append(number)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    new_numbers, names = np.zeros(len(texts) + 1, np.int32), list[str]()
    new_numbers[-1] = -1
    for number, members in enumerate(groups.values()):
        new_numbers[members] = number
        names.append(texts[max(members, key=lambda member: (counts[member], -member))])
    merged = [tuple(texts[member] for member in members) for members in groups.values() if len(members) > 1]
    return new_numbers[codes], names, merged


def _whole_key(text: str) -> str:
    key = number_key(text)
    return key if key and "." not in key else text
