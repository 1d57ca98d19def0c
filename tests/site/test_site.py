"""The site builds without a warning or the network, its links lead somewhere, and its home answers ten questions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.blocks import ROOT
from tests.site.links import Page, elsewhere

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]
#: A proxy that nobody answers: what wants the network fails.
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=os.environ | NOWHERE | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder.resolve()


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_link_and_every_anchor_is_there(pages: dict[Path, Page]) -> None:
    broken = []
    for page in pages.values():
        for link in page.links:
            path, anchor = page.target(link)
            if not elsewhere(link) and not (
                path.is_file() and (not anchor or path not in pages or anchor in pages[path].ids)
            ):
                broken.append(f"{page.path.name}: {link}")
    assert not broken
    assert len(pages) > 30


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    for page in pages.values():
        assert [load for load in page.loads if elsewhere(load)] == [], page.path.name
        missing = [load for load in page.loads if not elsewhere(load) and not page.target(load)[0].is_file()]
        assert missing == [], page.path.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style.name


def test_ten_questions_are_answered_within_two_clicks_from_the_home(site: Path, pages: dict[Path, Page]) -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").split("## Ten questions", 1)[1]
    questions = re.findall(r"^\| ([^|]+\?) \| \[", text, re.MULTILINE)
    home = pages[site / "index.html"]
    answers = [row for row in home.rows if row]
    assert len(questions) == len(answers) == 10
    first = _shown(home)
    within = first | {target for page in first & pages.keys() for target in _shown(pages[page])}
    for question, links in zip(questions, answers, strict=True):
        assert {home.target(link)[0] for link in links} <= within & pages.keys(), question


def _shown(page: Page) -> set[Path]:
    """Where the links of a page's text and tabs lead; not those of a menu, which phones hide."""
    return {page.target(link)[0] for link in page.shown if not elsewhere(link)}
