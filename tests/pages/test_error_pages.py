"""What goes wrong is a page for people, with the sentence and the way back, and a problem for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from service.storage.records import StudyRecord
from service.storage.store import Store
from tests.service.conftest import served, settings_in
from tests.service.documents import document

#: As browsers send it.
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("errors")


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[httpx.Client]:
    with served(settings_in(folder)) as client:
        yield client


def _check_page(answer: httpx.Response, status: int, sentence: str) -> None:
    """The page of an error: in the site's frame, under its policy, with the sentence and a way back."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for part in ('class="brand"', sentence, 'href="/">All studies</a>'):
        assert part in answer.text, part
    assert ("Try again" in answer.text) == (status >= 500)


def _check_problem(answer: httpx.Response, status: int) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_server_asked_under_another_name_refuses_with_a_page(api: httpx.Client) -> None:
    elsewhere = {"Host": "evil.example"}
    answer = api.get("/studies/one", headers=BROWSER | elsewhere)
    _check_page(answer, 403, "answers to localhost and was asked as &#39;evil.example&#39;")
    assert 'href="/new"' not in answer.text  # who looks is not known
    _check_problem(api.get("/studies/one", headers=elsewhere), 403)
    _check_problem(api.get("/v1/studies", headers=BROWSER | elsewhere), 403)


def test_an_unforeseen_error_is_a_page(folder: Path, api: httpx.Client) -> None:
    api.post("/v1/studies", json=document("broken")).raise_for_status()
    store = Store(settings_in(folder).database_url)
    with store.writing() as session:  # what no version of ours writes
        session.execute(sa.update(StudyRecord).where(StudyRecord.name == "broken").values(spec={}))
    store.close()
    _check_page(api.get("/studies/broken", headers=BROWSER), 500, "the server&#39;s log has the details")
    _check_problem(api.get("/studies/broken", headers={"Accept": "*/*"}), 500)
    _check_problem(api.get("/v1/studies/broken", headers=BROWSER), 500)


def test_an_address_where_nothing_is_has_a_page(api: httpx.Client) -> None:
    _check_page(api.get("/study/<b>", headers=BROWSER), 404, "There is nothing at /study/&lt;b&gt;")
    _check_problem(api.get("/study/x"), 404)


def test_a_database_that_does_not_answer_is_said_on_a_page(folder: Path) -> None:
    with served(settings_in(folder, "postgresql://nobody@127.0.0.1:1/none")) as stopped:
        answer = stopped.get("/", headers=BROWSER)
    _check_page(answer, 503, "does not answer")
