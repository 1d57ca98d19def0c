"""The blocks of code in README.md and docs/, each with the comment that says what runs it, or why nothing does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
#: `make test-docker` follows the blocks of docker/README.md, and needs Docker.
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "examples").glob("*.md")]
)
_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>[^\n]*?) -->\n)?^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a document; `mark` is the comment on the line before it."""

    document: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def runs_here(self) -> bool:
        return self.mark == "run"


def blocks(document: str) -> Iterator[Block]:
    """Yield the blocks of a document, without their indentation."""
    markdown = (ROOT / document).read_text(encoding="utf-8")
    for found in _BLOCK.finditer(markdown):
        line = markdown.count("\n", 0, found.start("language")) + 1
        text = dedent(found["text"])
        yield Block(document, line, found["language"], found["mark"] or "", text)


def every_block() -> list[Block]:
    return [block for document in DOCUMENTS for block in blocks(document)]
