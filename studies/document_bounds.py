"""Refuses what no document may hold, in whichever field: texts that cannot be kept, endless numbers, too much of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any

from studies.errors import FieldError, InvalidSpecError

MAX_VALUES = 200_000  # a Keras model of 500 layers has about 20,000
MAX_DEPTH = 64  # models may lie in each other 8 deep, each a few levels of the document
#: Of a whole number, in bits: a float holds it. Fields have closer bounds of their own.
MAX_BITS = 1000

_Path = tuple[str | int, ...]


_TOO_MANY = FieldError("", f"has more than {MAX_VALUES:,} values; leave out what a study does not need")


def check_document(document: Any) -> None:
    """Check each value of a document of JSON or YAML.

    Raises InvalidSpecError, which names every field that holds a text with NUL or half a character, a number that is
    not finite or has more than `MAX_BITS` bits, or a name that is no text; and where there are more than `MAX_VALUES`
    values, or they lie deeper than `MAX_DEPTH`.
    """
    errors = list(_errors(document))
    if errors:
        raise InvalidSpecError(errors)


def too_many_values() -> InvalidSpecError:
    """The error of a document of more than `MAX_VALUES` values."""
    return InvalidSpecError([_TOO_MANY])


def _errors(document: Any) -> Iterator[FieldError]:
    # No recursion: a document may be as deep as its writer likes, or hold itself.
    waiting: list[tuple[_Path, Iterator[tuple[Any, Any]]]] = []
    path: _Path = ()
    value = document
    count = 0
    while True:
        count += 1
        if count > MAX_VALUES:
            yield _TOO_MANY
            return
        if isinstance(value, Mapping | list | tuple):
            if len(path) >= MAX_DEPTH:
                yield FieldError(_name(path[:4]), f"lies in itself or is more than {MAX_DEPTH} levels deep")
                return
            waiting.append((path, _items(value)))
        if (path and (message := _wrong_key(path[-1]))) or (message := _wrong_value(value)):
            yield FieldError(_name(path), message)
        item = None
        while waiting and (item := next(waiting[-1][1], None)) is None:
            waiting.pop()
        if item is None:
            return
        path, value = (*waiting[-1][0], item[0]), item[1]


def _items(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    return islice(value.items() if isinstance(value, Mapping) else enumerate(value), MAX_VALUES + 1)


def _wrong_key(key: Any) -> str:
    if isinstance(key, str):
        return _wrong_text(key).replace("holds", "its name holds")
    return "" if type(key) is int else "its name must be a text; put it in quotes"


def _wrong_value(value: Any) -> str:
    if isinstance(value, str):
        return _wrong_text(value)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return "has too many digits; give a number of at most 300"
    return "must be a finite number" if isinstance(value, float) and not isfinite(value) else ""


def _wrong_text(text: str) -> str:
    if "\0" in text:
        return "holds the character NUL, which no database keeps; leave it out"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate of UTF-16); write the whole character"
    return ""


def _name(path: _Path) -> str:
    return ".".join(map(str, path))
