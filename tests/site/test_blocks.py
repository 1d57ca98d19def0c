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
    if block.runs_here:
        return "" if block.language in RUN_HERE else f"nothing runs {block.language}"
    for kind, check in KINDS.items():
        if block.mark.startswith(kind) and len(block.mark) > len(kind):
            return check(block, block.mark.removeprefix(kind))
    return "has no comment before it that says what runs it, or why nothing does"


def _part_of(block: Block, path: str) -> str:
    return "" if _squeezed(block.text) in _squeezed((ROOT / path).read_text(encoding="utf-8")) else f"not in {path}"


def _run_by(block: Block, path: str) -> str:
    named = (ROOT / path).is_file() and Path(block.document).stem in (ROOT / path).read_text(encoding="utf-8")
    return "" if named else f"{path} does not name it"


def _not_run(_: Block, reason: str) -> str:
    missing = [path for path in re.findall(r"tests/[\w/.]*\w", reason) if not (ROOT / path).exists()]
    return f"names {missing}, which do not exist" if missing else ""


KINDS = {"part of ": _part_of, "run by ": _run_by, "not run: ": _not_run}


def _squeezed(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


@pytest.mark.parametrize(
    "block", [each for each in every_block() if each.language == "yaml" and each.runs_here], ids=str
)
def test_a_study_file_in_a_document_is_one(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(block.text, encoding="utf-8")
    assert read(file).name
