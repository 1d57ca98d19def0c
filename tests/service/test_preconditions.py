"""A change with If-Match is made only to the study that its asker has seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.store import Store
from tests.service.comparing import ASKED, TECHNIQUES
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study
from tests.service.ledgers import claimed, ledger, opened, outcome, run

IRIS = "/v1/studies/iris"
STALE = {"If-Match": '"0123456789abcdef"'}
CHANGES: dict[str, tuple[str, str, Any]] = {
    "a priority": ("PATCH", IRIS, {"priority": 7}),
    "a pause": ("POST", f"{IRIS}/pause", None),
    "a stop": ("POST", f"{IRIS}/stop", None),
    "a deletion": ("DELETE", f"{IRIS}?force=true", None),
    "a wanted trial": ("POST", f"{IRIS}/trials", {"params": {"dropout": 0.25}}),
    "an invalid trial": ("POST", f"{IRIS}/trials/0/invalidate", {"reason": "a wrong file"}),
    "a comparison": ("POST", f"{IRIS}/comparison", ASKED),
}
COMPARED: dict[str, tuple[str, str, Any]] = {
    "the comparison's stop": ("POST", f"{IRIS}/comparison/stop", None),
    "the comparison's deletion": ("DELETE", f"{IRIS}/comparison", None),
}


@pytest.fixture
def begun(api: httpx.Client, tmp_path: Path) -> Iterator[tuple[httpx.Client, Store]]:
    """A service with a study of one complete trial and three places left."""
    api.post("/v1/studies", json=document()).raise_for_status()
    store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
    run(ledger(store, tmp_path / "artifacts", "iris"), study())
    yield api, store
    store.close()


def tag(api: httpx.Client) -> str:
    return str(api.get(IRIS).headers["etag"])


def seen(api: httpx.Client) -> list[Any]:
    """All that a change could change."""
    paths = (IRIS, f"{IRIS}/trials", f"{IRIS}/comparison")
    answers = [api.get(path, headers={"X-Request-ID": "1"}).json() for path in paths]
    for answer in answers:
        answer.pop("overall", None)  # the time left goes on by itself
    return [*answers, tag(api)]


def send(api: httpx.Client, change: tuple[str, str, Any], if_match: str) -> httpx.Response:
    method, path, body = change
    return api.request(method, path, json=body, headers={"If-Match": if_match})


@pytest.mark.parametrize("name", [*CHANGES, *COMPARED])
def test_a_change_of_what_has_changed_since_is_refused_and_one_of_what_was_seen_is_made(
    begun: tuple[httpx.Client, Store], name: str
) -> None:
    api, _ = begun
    if name in COMPARED:
        api.post(f"{IRIS}/comparison", json=ASKED).raise_for_status()
    change = (CHANGES | COMPARED)[name]
    old = tag(api)
    api.patch(IRIS, json={"priority": 3}).raise_for_status()
    before = seen(api)
    refused = send(api, change, old)
    assert (refused.status_code, refused.headers["content-type"]) == (412, "application/problem+json")
    assert tag(api).strip('"') in refused.json()["detail"]
    assert seen(api) == before
    made = send(api, change, tag(api))
    assert made.is_success, made.text
    assert name == "a wanted trial" or api.get(IRIS).status_code == 404 or seen(api) != before


@pytest.mark.parametrize(
    "text", ["*", '"0123", {}', "{}, *", "W/{}", '{},"0123"'], ids=["any", "last", "or any", "weak", "first"]
)
def test_if_match_may_name_several_or_any(begun: tuple[httpx.Client, Store], text: str) -> None:
    api, _ = begun
    assert send(api, CHANGES["a pause"], text.format(tag(api))).json()["state"] == "paused"


@pytest.mark.parametrize("text", ["", '""', "nonsense"])
def test_if_match_without_the_tag_fits_nothing(begun: tuple[httpx.Client, Store], text: str) -> None:
    api, _ = begun
    assert send(api, CHANGES["a pause"], text).status_code == 412
    assert api.get(IRIS).json()["state"] == "running"


def test_a_study_that_is_not_there_is_missing_whatever_its_tag(api: httpx.Client) -> None:
    for change in CHANGES.values():
        assert send(api, change, "*").status_code == 404


def test_progress_leaves_the_tag_as_it_is(begun: tuple[httpx.Client, Store], tmp_path: Path) -> None:
    api, store = begun
    old = tag(api)
    book = ledger(store, tmp_path / "artifacts", "iris")
    claim, number = opened(book, study())
    assert tag(api) == old
    book.close(claim, number, outcome())
    book.hand_back(claimed(book))
    assert tag(api) == old
    assert api.get(IRIS).json()["progress"]["complete"] == 2


def test_each_change_of_a_study_has_a_tag_of_its_own_which_its_answer_names(
    begun: tuple[httpx.Client, Store], tmp_path: Path
) -> None:
    api, store = begun
    tags = [tag(api)]
    for method, path, body in (
        ("PATCH", "", {"priority": 7}),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/comparison", ASKED),
        ("POST", "/comparison/stop", None),
        ("POST", "/trials/0/invalidate", None),
    ):
        answer = api.request(method, IRIS + path, json=body)
        assert answer.is_success, answer.text
        assert answer.headers.get("etag", tag(api)) == tag(api)
        tags.append(tag(api))
    sweep_here(store, tmp_path / "artifacts", "iris")
    tags.append(tag(api))
    assert len({*tags}) == len(tags) - 1  # resumed it stands as it did before the pause
    assert tags[3] == tags[1]


def test_a_study_of_the_same_name_has_another_tag(begun: tuple[httpx.Client, Store]) -> None:
    api, _ = begun
    first = api.post("/v1/studies", json=document("other")).json()["name"]
    old = api.get(f"/v1/studies/{first}").headers["etag"]
    api.delete(f"/v1/studies/{first}?force=true").raise_for_status()
    api.post("/v1/studies", json=document("other")).raise_for_status()
    refused = api.delete(f"/v1/studies/{first}?force=true", headers={"If-Match": old})
    assert refused.status_code == 412


def test_of_several_who_have_seen_the_same_one_makes_a_change(begun: tuple[httpx.Client, Store]) -> None:
    api, _ = begun
    together, old = threading.Barrier(6), tag(api)

    def ask(priority: int) -> int:
        together.wait(30)
        return send(api, ("PATCH", IRIS, {"priority": priority}), old).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(ask, range(1, 7)))
    assert sorted(statuses) == [200] + [412] * 5
    assert api.get(IRIS).json()["priority"] == 1 + statuses.index(200)


# PATCH


def test_a_priority_is_shown_and_changed_also_that_of_the_comparisons_parts(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as api:
        created = api.post("/v1/studies", json=document(priority=-3, comparison=ASKED)).json()
        assert created["priority"] == -3
        changed = api.patch(IRIS, json={"priority": 1000})
        assert (changed.status_code, changed.json()["priority"]) == (200, 1000)
        parts = [api.get(f"/v1/studies/iris: {technique}").json()["priority"] for technique in TECHNIQUES]
        assert parts == [1000] * len(TECHNIQUES)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": 1001}, "priority"),
        ({"priority": -1001}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"priority": None}, "priority"),
        ({}, "priority"),
        ({"priority": 1, "state": "paused"}, "state"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_by_the_field(
    api: httpx.Client, body: dict[str, Any], field: str
) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    refused = api.patch(IRIS, json=body)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert api.get(IRIS).json()["priority"] == 0
