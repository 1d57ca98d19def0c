"""A request with an Idempotency-Key is done once, however often and at whatever moment it comes again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from service.storage.clock import unix_now
from service.storage.records import RequestRecord
from service.storage.store import Store
from tests.service.documents import document

KEY = "5f0c9a7e-once"


def submit(api: httpx.Client, body: dict[str, Any], key: str | None = KEY) -> httpx.Response:
    return api.post("/v1/studies", json=body, headers={} if key is None else {"Idempotency-Key": key})


def want(api: httpx.Client, params: dict[str, Any], key: str | None = KEY) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/v1/studies/iris/trials", json={"params": params}, headers=headers)


def names(api: httpx.Client) -> list[str]:
    """The studies there are, Optuna's being the same."""
    ours = [study["name"] for study in api.get("/v1/studies").json()["items"]]
    theirs = [study["study_name"] for study in api.get("/api/studies").json()["study_summaries"]]
    assert sorted(ours) == sorted(theirs)
    return ours


def again(first: httpx.Response, second: httpx.Response) -> None:
    """The second answer is the first, word for word, and says so."""
    assert (first.status_code, second.status_code) == (201, 201), second.text
    assert second.content == first.content
    assert second.headers.get("location") == first.headers.get("location")
    assert second.headers["content-type"] == first.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"


def test_a_study_submitted_twice_is_accepted_once(api: httpx.Client) -> None:
    first = submit(api, document())
    again(first, submit(api, document()))
    assert first.headers["location"] == "/v1/studies/iris"
    assert names(api) == ["iris"]


def test_a_study_without_a_name_gets_one_name(api: httpx.Client) -> None:
    first = submit(api, document(None))
    again(first, submit(api, document(None)))
    assert names(api) == [first.json()["name"]]
    assert submit(api, document(None), "another key").json()["name"] != first.json()["name"]


@pytest.mark.parametrize("since", ["stop", "delete"])
def test_the_answer_is_the_first_one_whatever_became_of_the_study(api: httpx.Client, since: str) -> None:
    first = submit(api, document())
    if since == "delete":
        api.delete("/v1/studies/iris", params={"force": True}).raise_for_status()
    else:
        api.post("/v1/studies/iris/stop").raise_for_status()
    again(first, submit(api, document()))
    assert names(api) == ([] if since == "delete" else ["iris"])


def test_the_answer_outlives_the_server(api: httpx.Client, tmp_path: Path) -> None:
    from tests.service.conftest import served, settings_in

    first = submit(api, document())
    with served(settings_in(tmp_path)) as other:
        again(first, submit(other, document()))


def test_the_same_study_written_otherwise_is_the_same_request(api: httpx.Client) -> None:
    first = submit(api, document())
    again(first, submit(api, dict(reversed(list(document(priority=0).items())))))


@pytest.mark.parametrize(
    "other",
    [
        lambda api: submit(api, document(seed=4)),
        lambda api: submit(api, document("other")),
        lambda api: want(api, {"dropout": 0.1}),
    ],
    ids=["another seed", "another name", "another route"],
)
def test_the_same_key_with_another_request_is_refused(
    api: httpx.Client, other: Callable[[httpx.Client], httpx.Response]
) -> None:
    submit(api, document()).raise_for_status()
    refused = other(api)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert f"Idempotency-Key '{KEY}' came with another request before" in refused.json()["detail"]
    assert names(api) == ["iris"]
    assert api.get("/v1/studies/iris").json()["progress"]["waiting"] == 4


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_cannot_be_kept_is_refused(api: httpx.Client, key: str) -> None:
    refused = submit(api, document(), key)
    assert refused.status_code == 422
    assert [error["field"].lower() for error in refused.json()["errors"]] == ["idempotency-key"]
    assert names(api) == []
    assert submit(api, document(), "x" * 255).status_code == 201


def test_without_a_key_a_request_is_done_each_time(api: httpx.Client) -> None:
    assert [submit(api, document(), None).status_code for _ in range(2)] == [201, 409]
    assert [want(api, {"dropout": 0.1}, None).json()["place"] for _ in range(2)] == [0, 1]


def test_what_was_refused_may_be_asked_again_under_the_same_key(api: httpx.Client) -> None:
    submit(api, document(), "first").raise_for_status()
    assert submit(api, document(seed=9)).status_code == 409
    assert submit(api, document(seed=9)).status_code == 409
    api.delete("/v1/studies/iris", params={"force": True}).raise_for_status()
    first = submit(api, document(seed=9))
    again(first, submit(api, document(seed=9)))


def test_params_wanted_twice_under_one_key_are_tried_once(api: httpx.Client) -> None:
    submit(api, document(), None).raise_for_status()
    first = want(api, {"dropout": 0.25})
    again(first, want(api, {"dropout": 0.25}))
    assert first.json() == {"study": "iris", "place": 0, "params": {"dropout": 0.25}}
    assert want(api, {"dropout": 0.25}, "another key").json()["place"] == 1
    assert want(api, {"dropout": 0.5}).status_code == 422


def test_an_answer_given_again_asks_for_no_precondition(api: httpx.Client) -> None:
    submit(api, document(), None).raise_for_status()
    headers = {"Idempotency-Key": KEY, "If-Match": api.get("/v1/studies/iris").headers["etag"]}
    body = {"params": {"dropout": 0.25}}
    first = api.post("/v1/studies/iris/trials", json=body, headers=headers)
    api.patch("/v1/studies/iris", json={"priority": 3}).raise_for_status()
    again(first, api.post("/v1/studies/iris/trials", json=body, headers=headers))


@pytest.mark.parametrize("body", [document(), document(None)], ids=["named", "without a name"])
def test_of_many_that_come_at_the_same_moment_one_is_done(api: httpx.Client, body: dict[str, Any]) -> None:
    together = threading.Barrier(6)

    def ask(_: int) -> httpx.Response:
        together.wait(30)
        return submit(api, body)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert ["idempotent-replayed" in answer.headers for answer in answers].count(False) == 1
    assert len(names(api)) == 1


def test_a_key_is_forgotten_after_a_week(api: httpx.Client, tmp_path: Path) -> None:
    submit(api, document()).raise_for_status()
    _let_pass(tmp_path, days=6)
    submit(api, document("in between"), "another key").raise_for_status()
    assert "idempotent-replayed" in submit(api, document()).headers
    _let_pass(tmp_path, days=2)
    submit(api, document("later"), "a third key").raise_for_status()
    assert submit(api, document()).status_code == 409  # done anew, and the name is in use


def _let_pass(folder: Path, days: float) -> None:
    store = Store(f"sqlite:///{folder / 'regsweep.db'}")
    with store.engine.begin() as connection:
        since = RequestRecord.created_at - days * 86400
        connection.execute(sa.update(RequestRecord).values(created_at=since))
        assert (connection.scalar(sa.select(sa.func.min(RequestRecord.created_at) - unix_now())) or 0) < 0
    store.close()
