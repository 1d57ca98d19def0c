"""What the documents link to exists in the repository, as GitHub shows them: files, folders and headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.site.blocks import DOCUMENTS, ROOT

ALL = sorted({*DOCUMENTS, "docker/README.md"})
_CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("document", ALL)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(document: str) -> None:
    broken = []
    for link in _LINK.findall(_CODE.sub("", (ROOT / document).read_text(encoding="utf-8"))):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        if not file.exists() or (anchor and anchor not in _headings(file)):
            broken.append(link)
    assert not broken


def _headings(file: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    text = _CODE.sub("", file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found
