"""Prints what strangers may have written, names, warnings, columns: no control character of it reaches a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

#: Control characters but tab and line feed, and marks that turn the direction of a line around.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Write each control character as Python writes it in a literal, as ESC with a backslash and x1b."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def say(*parts: object, sep: str = " ", file: IO[str] | None = None) -> None:
    """Print a line, by default to the standard output."""
    print(plain(sep.join(map(str, parts))), file=file or sys.stdout)


class PlainConsole(Console):
    """A console whose own colours are the only escapes that it writes."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, and take control characters out of what is written."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def plain_json(text: str) -> str:
    """JSON that a terminal can show: the controls that JSON need not escape are escaped as it can."""
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text)
