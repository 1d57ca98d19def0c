"""Every block of code in README.md and docs/ is run, or says why it is not.

The line before a block is a comment that no reader sees. A block of `text` is output, and needs none.
`<!-- run -->`: tests/acceptance/test_documents_that_run.py runs it; a study file is read below.
`<!-- run by tests/… -->`: another test does, and names the document.
`<!-- part of docs/examples/… -->`: it stands in that file, which tests run.
`<!-- not run: … -->`: the reason.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studies.study_file import read
from tests.site.blocks import DOCUMENTS, ROOT, Block, blocks, every_block

RUN_HERE = {"python", "sh", "yaml"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_run_or_says_why_it_is_not(document: str) -> None:
    wrong = {str(block): reason for block in blocks(document) if (reason := _wrong(block))}
    assert not wrong


def _wrong(block: Block) -> str:
    """What is missing at a block; empty where nothing is."""
    if not block.language:
        return "names no language: ```text for output"
    if block.language == "text":
        return ""
    if re.fullmatch(r"not run: .{10,}", block.mark):
        missing = [path for path in re.findall(r"tests/[\w/.]*\w", block.mark) if not (ROOT / path).exists()]
        return f"names {missing}, which do not exist" if missing else ""
    if block.runs_here:
        return "" if block.language in RUN_HERE else f"nothing runs {block.language}"
    kind, _, path = block.mark.partition(" docs/examples/" if block.mark.startswith("part of") else "run by ")
    if kind == "part of":
        return (
            ""
            if _squeezed(block.text) in _squeezed((ROOT / "docs/examples" / path).read_text())
            else "not in that file"
        )
    test = ROOT / path
    if path and test.is_file():
        return "" if Path(block.document).stem in test.read_text(encoding="utf-8") else f"{path} does not name it"
    return "has no comment before it that says what runs it, or why nothing does"


def _squeezed(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.mark.parametrize(
    "block", [each for each in every_block() if each.language == "yaml" and each.runs_here], ids=str
)
def test_a_study_file_in_a_document_is_one(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(block.text, encoding="utf-8")
    assert read(file).name
