"""The names of studies and datasets: keys that stand in addresses, commands and file names."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_NAME = 100  # characters
MAX_NAME_BYTES = 200  # in UTF-8, so that a file's name of at most 255 holds it with an ending
NAME_RULE = (
    f"1 to {MAX_NAME} printable characters (at most {MAX_NAME_BYTES} bytes in UTF-8), none of them / \\ or :, none "
    "invisible, as joiners and variation selectors are, with no blank at either end and no ., - or accent without a "
    "letter at the start"
)

#: The first two would divide an address or a path, and a colon stands in the names of the parts of comparisons.
_RESERVED = frozenset("/\\:")
#: Characters that Python counts as printable and nobody sees: Unicode's Default_Ignorable_Code_Point, with blanks and
#: fillers beside it. Python counts the others, as joiners and marks of direction, as not printable.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
#: A regular expression of ECMAScript, Python and Rust alike, so without classes of Unicode: it lets more pass than
#: `is_name`, which knows the characters that are not assigned.
_UNFIT = (
    r"\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb/\\:"
)
_PATTERN = rf"^[^ .\-{_UNFIT}]([^{_UNFIT}]*[^ {_UNFIT}])?$"


def normalize(text: str) -> str:
    """The one form (NFC) in which texts that look alike, such as ö and o with two dots, are the same name."""
    return unicodedata.normalize("NFC", text)


def spoken(text: str) -> str:
    """What is the same of two names that people take for one: without the case of letters and outer blanks."""
    return normalize(normalize(text).strip().casefold())


def is_printable(text: str) -> bool:
    """Return whether people see every character of a text; so none is a control character or half of one."""
    return text.isprintable() and _INVISIBLE.search(text) is None


def is_name(text: str) -> bool:
    """Return whether a study or a dataset may have this name; see NAME_RULE."""
    return (
        0 < len(text) <= MAX_NAME
        and is_printable(text)
        and _RESERVED.isdisjoint(text)
        and text[0] not in " .-"  # a hidden file, a folder's parent, an option of a command
        and unicodedata.category(text[0])[0] != "M"  # an accent, which would sit on what stands before the name
        and text[-1] != " "
        and len(text.encode()) <= MAX_NAME_BYTES
        and normalize(text) == text
    )


def _read(text: str) -> str:
    name = normalize(text)
    if not is_name(name):
        raise ValueError(NAME_RULE)
    return name


Name = Annotated[
    str,
    AfterValidator(_read),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_NAME, "pattern": _PATTERN}),
]
