"""The OpenAPI document says what the app does: its examples run, and a client that is generated from it works."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis

from service.api.examples import ANSWER_EXAMPLES, PROBLEM_EXAMPLES, REQUEST_EXAMPLES, REQUEST_ID, STUDY
from service.api.operations import ANSWER_HEADERS, OPERATION_IDS, REFUSALS
from service.scopes import needed_scope
from service.storage.keys import KeyStore
from service.storage.store import Store
from tests.breaking_changes import find_breaks
from tests.released_document import KEPT, kept, made
from tests.service.comparing import train
from tests.service.conftest import served, settings_in
from tests.service.working import working

DOCUMENT: dict[str, Any] = json.loads(made())
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    said["operationId"]: (method.upper(), path, said)
    for path, methods in DOCUMENT["paths"].items()
    for method, said in methods.items()
}
BY_ID = schemathesis.openapi.from_dict(DOCUMENT)


# What is released


def test_the_kept_document_breaks_nothing_and_is_the_one_that_is_served() -> None:
    assert find_breaks(kept(), DOCUMENT) == [], "clients of the released document would break"
    assert KEPT.read_text(encoding="utf-8") == made(), "the document has grown: run `make openapi`"


GONE = object()


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("paths > /v1/workers", GONE, "the path /v1/workers is gone"),
        ("paths > /v1/datasets > get", GONE, "GET /v1/datasets is gone"),
        ("paths > /v1/datasets > get > operationId", "all", "GET /v1/datasets was named list_datasets and is now all"),
        ("paths > /v1/studies > get > parameters", [], "GET /v1/studies no longer takes the query parameter limit"),
        (
            "paths > /v1/workers > get > parameters",
            [{"in": "query", "name": "a", "required": True, "schema": {}}],
            "GET /v1/workers now needs the query parameter a",
        ),
        (
            "paths > /v1/studies > post > responses > 201 > headers > Location",
            GONE,
            "sends the header Location with 201",
        ),
        ("paths > /v1/studies/{name}/trials.csv > get > responses > 200 > content", {}, "answers 200 with text/csv"),
        ("paths > /v1/datasets > post > requestBody > content > text/csv", GONE, "no longer takes a body of text/csv"),
        ("Budget > required", ["trials"], "budget of the body now needs the field trials"),
        ("Budget > properties > epochs", GONE, "budget of the body no longer takes the field epochs"),
        ("Budget > properties > epochs > type", "string", "epochs of budget of the body can no longer be integer"),
        ("Budget > properties > trials > maximum", 9, "trials of budget of the body is now bounded by maximum 9"),
        ("BuiltinDataset > properties > name > enum", ["iris"], "can no longer be breast_cancer, wine, digits"),
        ("CnnSpec > properties > kind", GONE, "model of the body can no longer be object cnn"),
        ("TrialView > properties > epochs", GONE, "the answer 200 no longer has the field epochs"),
        ("TrialView > properties > number > type", "string", "number of the answer 200 may now be string"),
        ("WorkersView > required", [], "the answer 200 may now leave out the field workers"),
    ],
)
def test_what_a_change_breaks_is_said(place: str, value: object, sentence: str) -> None:
    changed = copy.deepcopy(DOCUMENT)
    *parents, last = place.split(" > ")
    part = changed if parents[0] == "paths" else changed["components"]["schemas"]
    for name in parents:
        part = part[name]
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    said = find_breaks(DOCUMENT, changed)
    assert any(sentence in each for each in said), said


def test_what_is_added_breaks_nothing() -> None:
    fewer = copy.deepcopy(DOCUMENT)
    del fewer["paths"]["/v1/workers"]
    del fewer["paths"]["/v1/datasets"]["get"]
    fewer["paths"]["/v1/studies"]["get"]["parameters"] = []
    for name, field in (("Budget", "epochs"), ("TrialView", "epochs")):
        del fewer["components"]["schemas"][name]["properties"][field]
    assert find_breaks(fewer, DOCUMENT) == []


# What is said of every operation


def test_operations_have_names_of_their_own_and_tags_a_sentence() -> None:
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in OPERATIONS)
    assert len(OPERATIONS) == sum(len(methods) for methods in DOCUMENT["paths"].values())
    assert set(OPERATION_IDS.values()) <= set(OPERATIONS)
    assert set(ANSWER_HEADERS) | set().union(*REFUSALS.values()) <= set(OPERATIONS)
    assert set(REQUEST_EXAMPLES) <= set(OPERATIONS)
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert set(tags) == {tag for _, _, said in OPERATIONS.values() for tag in said["tags"]}
    assert all(description.endswith(".") for description in tags.values())


def test_every_refusal_is_a_problem_and_every_key_is_told() -> None:
    for method, path, said in OPERATIONS.values():
        refusals = {status for status in said["responses"] if status >= "400"}
        for status in refusals - ({"503"} if path == "/readyz" else set()):  # which says what is not ready
            name = said["responses"][status]["$ref"].rpartition("/")[2]
            content = DOCUMENT["components"]["responses"][name]["content"]
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
        scope = needed_scope(method, path)
        assert said["security"] == ([] if scope is None else [{"key": [scope]}, {"login": [scope]}])
        assert {"401", "403", "503"} <= refusals or scope is None
        queries = {each["name"] for each in said.get("parameters", ()) if each["in"] == "query"}
        assert ("404" in refusals) == ("{" in path or bool(queries & {"project", "key"}))
        assert "400" in refusals or not queries & {"cursor", "sort"}


def test_all_that_a_document_refers_to_is_in_it_and_pages_are_not() -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        part = DOCUMENT
        for name in reference.split("/"):
            part = part[name]
    assert not {"/", "/docs", "/redoc", "/login"} & set(DOCUMENT["paths"])


# What runs


def _send(client: httpx.Client, name: str, path: str | None = None, **request: Any) -> httpx.Response:
    """Send an operation's example, and hold the answer to the document."""
    method, template, _ = OPERATIONS[name]
    for media_type, body in REQUEST_EXAMPLES.get(name, {}).items():
        content = body if isinstance(body, str) else json.dumps(body)
        request = {"content": content, "headers": {"content-type": media_type}} | request
    answer = client.request(method, path or template.replace("{name}", "iris").replace("{number}", "0"), **request)
    BY_ID[template][method].validate_response(answer)
    return answer


@pytest.fixture
def worked(api: httpx.Client, store: Store, tmp_path: Path) -> Iterator[httpx.Client]:
    """A service on which a worker trains."""
    with working(store, tmp_path / "artifacts", train):
        yield api


def test_the_examples_of_requests_run(database: Path, worked: httpx.Client) -> None:
    api = worked
    assert database.exists()
    assert _send(api, "check_study").json()["name_is_free"] is True
    submitted = _send(api, "submit_study")
    assert (submitted.status_code, submitted.headers["location"]) == (201, "/v1/studies/iris")
    assert _send(api, "enqueue_trial").status_code == 201
    assert _send(api, "change_study").json()["progress"]["trials"] == 16
    assert b"event: end" in _send(api, "follow_study").content  # which lasts as long as the study
    assert _send(api, "read_study").json()["state"] == "completed"
    assert _send(api, "invalidate_trial").json()["state"] == "FAIL"
    assert _send(api, "compare").status_code == 202
    assert _send(api, "upload_dataset", "/v1/datasets?target=ill&name=people").status_code == 201
    assert _send(api, "upload_dataset", "/v1/datasets?target=ill&name=people").status_code == 200
    assert _send(api, "profile_dataset").json()["suggested_target"] == "ill"
    assert len(_send(api, "read_model").json()["layers"]) == 2
    assert _send(api, "predict").status_code == 404  # of iris no preprocessing is kept
    for name, (method, _, _) in OPERATIONS.items():
        if method == "GET":
            needed: dict[str, Any] = {"params": {"number": 0}} if name == "read_curves" else {}
            assert _send(api, name, **needed).status_code in {200, 404}, name


def test_the_examples_of_answers_are_what_is_answered(database: Path, api: httpx.Client) -> None:
    assert database.exists()
    _send(api, "submit_study")
    for name, answers in ANSWER_EXAMPLES.items():
        [(status, example)] = answers.items()
        answer = _send(api, name)
        assert (str(answer.status_code), answer.json()) == (status, example), name


@pytest.mark.parametrize("status", PROBLEM_EXAMPLES)
def test_the_examples_of_refusals_are_what_is_answered(status: int, shared_api: httpx.Client) -> None:
    shared_api.post("/v1/studies", json=dict(STUDY))
    sent: dict[int, tuple[str, str, dict[str, Any]]] = {
        400: ("POST", "/v1/studies", {"content": b"{", "headers": {"content-type": "application/json"}}),
        404: ("GET", "/v1/studies/nobody", {}),
        409: ("POST", "/v1/studies", {"json": dict(STUDY)}),
        422: ("GET", "/v1/studies?limit=1001", {}),
    }
    method, path, request = sent[status]
    headers = {**request.pop("headers", {}), "X-Request-ID": REQUEST_ID}
    answer = shared_api.request(method, path, headers=headers, **request)
    assert answer.json() == PROBLEM_EXAMPLES[status]


def test_a_missing_key_and_a_low_scope_are_answered_as_documented(
    tmp_path: Path, store: Store, url: str, database: Path
) -> None:
    assert database.exists()
    key = KeyStore(store).create("reader", "read").text
    with served(settings_in(tmp_path, url)) as client:
        assert _send(client, "list_studies").status_code == 401
        client.headers["authorization"] = f"Bearer {key}"
        assert _send(client, "submit_study").status_code == 403
        assert _send(client, "list_studies").status_code == 200


def test_every_refusal_before_an_operation_is_in_the_document(shared_api: httpx.Client) -> None:
    said = shared_api.get("/openapi.json").json()
    too_large = shared_api.request("GET", "/v1/studies", content=bytes(10_000_001))
    assert too_large.status_code == 413
    operations = [each for path in said["paths"].values() for name, each in path.items() if name != "parameters"]
    assert all("413" in each["responses"] for each in operations)
    assert all("408" in each["responses"] for each in operations if "requestBody" in each)
    wrong = shared_api.request("PUT", "/v1/studies")
    assert wrong.status_code == 405
    assert "allow" in wrong.headers
    assert set(said["components"]["responses"]["MethodNotAllowed"]["headers"]) == {"Allow", "X-Request-ID"}
