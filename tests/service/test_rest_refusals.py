"""Whatever is wrong with a request comes back as problem+json that names the field, and nothing is half-created."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.service.documents import document

WIDE = 10**40  # more than any database's integer


def _cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _problem(response: httpx.Response, status: int) -> list[dict[str, str]]:
    """The errors of a problem of this status, its shape checked."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert list(body) == ["type", "title", "status", "detail", "errors", "request_id"]
    assert (response.status_code, body["status"]) == (status, status), body
    assert body["title"]
    assert body["detail"]
    assert all(set(error) == {"field", "message"} and error["message"] for error in body["errors"])
    errors: list[dict[str, str]] = body["errors"]
    return errors


def _studies(api: httpx.Client) -> list[str]:
    ours = [study["name"] for study in api.get("/v1/studies").json()["items"]]
    theirs = [study["study_name"] for study in api.get("/api/studies").json()["study_summaries"]]
    assert sorted(ours) == sorted(theirs)
    return ours


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"dataset": {"kind": "builtin", "name": "nowhere"}}, "dataset.name", "'nowhere' is not known"),
        ({"dataset": {"kind": "table"}}, "dataset.kind", "unknown kind 'table'; choose from 'builtin'"),
        ({"dataset": {"name": "iris"}}, "dataset", "kind"),
        ({"dataset": None}, "dataset", "must be a JSON object"),
        ({"space": {"lambda": {"low": 2, "high": 1}}}, "space.lambda", "low must be at most high"),
        ({"space": {"dropout": {"low": 0.4, "high": 0.1}}}, "space.dropout", "low must be at most high"),
        ({"space": {"lambda": {"low": 0, "high": 1, "log": True}}}, "space.lambda", "low must be above 0"),
        ({"space": {"patience": 0}}, "space.patience", "greater than or equal to 1"),
        ({"space": {"patience": {"low": 0, "high": 5}}}, "space.patience.low", "greater than or equal to 1"),
        ({"space": {"patience": [5, -1]}}, "space.patience.1", "greater than or equal to 1"),
        ({"space": {"dropout": 1}}, "space.dropout", "less than 1"),
        ({"space": {"dropout": {"low": 0, "high": 1}}}, "space.dropout.high", "less than 1"),
        ({"space": {"regularizer": ["l1", "l3"]}}, "space.regularizer.1", "'l3' is not known"),
        ({"space": {"lamda": 0.1}}, "space.lamda", "did you mean lambda?"),
        ({"space": {"patience": WIDE}}, "space.patience", "less than"),
        ({"space": {"patience": {"low": 1, "high": WIDE}}}, "space.patience.high", "less than"),
        ({"objectives": ["val_r2"]}, "objectives", "val_r2 is not defined for a multiclass task; choose from val_loss"),
        (
            {"dataset": {"kind": "builtin", "name": "diabetes"}, "objectives": ["val_accuracy"]},
            "objectives",
            "val_accuracy is not defined for a regression task",
        ),
        ({"early_stopping": {"monitor": "val_mae"}}, "early_stopping.monitor", "not defined for a multiclass task"),
        ({"sampler": {"name": "tpe", "n_trials": 3}}, "sampler.n_trials", "tpe has no such option; it knows"),
        ({"sampler": {"name": "best"}}, "sampler.name", "'best' is not known"),
        ({"pruner": {"name": "hyperband", "reduction_factor": 1}}, "pruner.reduction_factor", "greater than or equal"),
        ({"objectives": ["val_loss", "epochs"], "pruner": {"name": "median"}}, "pruner.name", "cannot be pruned"),
        ({"budget": {"trials": 0}}, "budget.trials", "greater than or equal to 1"),
        ({"model": {"kind": "cnn"}}, "model.kind", "cnn needs images alone"),
        ({"unknown": 1}, "unknown", "unknown field"),
        ({"name": "a/b"}, "name", "1 to 100 printable"),
        ({"name": "x" * 101}, "name", "1 to 100 printable"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        (
            {"space": {"learning_rate": 1e30}},
            "space.learning_rate",
            "1e+30 only overflows in float32; use at most",
        ),
        ({"space": {"lambda": [0.1, 1e30]}}, "space.lambda", "use at most 1e+06"),
        ({"space": {"bias_lambda": {"low": 0, "high": 2e6}}}, "space.bias_lambda", "use at most 1e+06"),
        (
            {"space": {"scope": "per_layer", "layers": [{"lambda": 1e9}]}},
            "space.layers.0.lambda",
            "1e+09 only overflows",
        ),
    ],
)
def test_a_study_that_makes_no_sense_is_refused_by_the_field(
    shared_api: httpx.Client, changes: dict[str, Any], field: str, message: str
) -> None:
    before = _studies(shared_api)
    errors = _problem(shared_api.post("/v1/studies", json=document(None) | changes), 422)
    assert [error["field"] for error in errors] == [field]
    assert message in errors[0]["message"]
    assert _studies(shared_api) == before


def test_every_wrong_field_is_named_at_once(shared_api: httpx.Client) -> None:
    wrong = {"space": {"dropout": 2}, "budget": {"epochs": "many"}}
    fields = {error["field"] for error in _problem(shared_api.post("/v1/studies", json=wrong), 422)}
    assert fields == {"dataset", "space.dropout", "budget.epochs"}


@pytest.mark.parametrize("body", ["", "{", "name: iris\ndataset: x", '{"seed": }', "[" * 100_000])
def test_a_body_that_is_not_json_is_a_bad_request(shared_api: httpx.Client, body: str) -> None:
    before = _studies(shared_api)
    response = shared_api.post("/v1/studies", content=body, headers={"Content-Type": "application/json"})
    _problem(response, 422 if body == "" else 400)
    assert _studies(shared_api) == before


@pytest.mark.parametrize(
    ("body", "key"), [('{"name": "a", "name": "b"}', "name"), ('{"space": {"lambda": 1, "lambda": 2}}', "lambda")]
)
def test_a_key_that_stands_twice_is_refused(shared_api: httpx.Client, body: str, key: str) -> None:
    response = shared_api.post("/v1/studies", content=body, headers={"Content-Type": "application/json"})
    assert _problem(response, 422) == [{"field": key, "message": "stands twice; keep one of them"}]


_JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused_before_it_is_held(shared_api: httpx.Client, declared: bool) -> None:
    before = _studies(shared_api)
    most = Settings().max_body_bytes
    body = json.dumps(document()).encode().ljust(most + 1)
    response = shared_api.post(
        "/v1/studies", content=body if declared else iter([body[:most], body[most:]]), headers=_JSON
    )
    _problem(response, 413)
    assert "the body is larger than 10,000,000 bytes, which REGSWEEP_MAX_BODY_BYTES allows" in response.text
    assert _studies(shared_api) == before
    assert shared_api.post("/v1/studies", content=b"{}".ljust(most), headers=_JSON).status_code == 422


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(shared_api: httpx.Client) -> None:
    address = shared_api.base_url.host, shared_api.base_url.port or 80
    with socket.create_connection(address, timeout=20) as connection:
        head = "POST /v1/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000001\r\n\r\n"
        connection.sendall(head.encode())  # and nothing of the body
        assert b"413" in connection.recv(1000).split(b"\r\n")[0]


@pytest.mark.parametrize("body", [[], "iris", 5, None, [{"dataset": "iris"}]])
def test_json_of_the_wrong_shape_is_told_what_would_be_right(shared_api: httpx.Client, body: object) -> None:
    before = _studies(shared_api)
    [error] = _problem(shared_api.post("/v1/studies", json=body), 422)
    assert "must be a JSON object" in error["message"] or error["message"] == "this field is required"
    assert _studies(shared_api) == before


def test_a_name_in_use_is_a_conflict_and_leaves_the_first_study_as_it_was(api: httpx.Client) -> None:
    first = api.post("/v1/studies", json=document()).json()
    _problem(api.post("/v1/studies", json=document(trials=9)), 409)
    assert api.get("/v1/studies/iris").json() == first
    assert _studies(api) == ["iris"]


@pytest.mark.parametrize(
    "path", ["", "/pause", "/resume", "/stop", "/trials", "/trials/0", "/trials/0/curve", "/best", "/trials.csv"]
)
def test_an_unknown_study_is_not_found(shared_api: httpx.Client, path: str) -> None:
    method = "POST" if path in {"/pause", "/resume", "/stop"} else "GET"
    _problem(shared_api.request(method, f"/v1/studies/nowhere{path}"), 404)


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/nowhere", "/v1/studies/a%2Fb/trials", "/dashboardx"])
def test_an_unknown_path_is_not_found(shared_api: httpx.Client, path: str) -> None:
    _problem(shared_api.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/studies"), ("DELETE", "/healthz"), ("GET", "/v1/studies/x/stop")]
)
def test_a_wrong_method_is_said_to_be_wrong(shared_api: httpx.Client, method: str, path: str) -> None:
    response = shared_api.request(method, path)
    _problem(response, 405)
    assert response.headers["allow"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("/trials?cursor=nonsense", 400, "cursor"),
        (f"/trials?cursor={_cursor('x', 0, 1, True)}", 400, "cursor"),
        (f"/trials?cursor={_cursor('x', 0, 1, WIDE)}", 400, "cursor"),
        (f"/trials?cursor={_cursor('x', 0, WIDE, 1)}", 400, "cursor"),
        (f"/trials?cursor={_cursor('x', None, 1, 1)}", 400, "cursor"),
        (f"/trials?cursor={_cursor(0, 0, 1, 1)}", 400, "cursor"),
        (f"/trials?cursor={_cursor(1)}", 400, "cursor"),
        ("/trials?sort=lambda", 400, "sort"),
        ("/trials?state=DONE", 400, "state"),
        ("/trials?limit=0", 422, "limit"),
        ("/trials?limit=1001", 422, "limit"),
        ("/trials/one", 422, "number"),
        ("/model?trial=best", 422, "trial"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_its_parameter(
    api: httpx.Client, query: str, status: int, field: str
) -> None:
    api.post("/v1/studies", json=document())
    assert [error["field"] for error in _problem(api.get(f"/v1/studies/iris{query}"), status)] == [field]


@pytest.mark.parametrize("query", ["state=done", "limit=0", "cursor=x", f"cursor={_cursor('x', 0, None, WIDE)}"])
def test_a_listing_of_studies_refuses_the_same(shared_api: httpx.Client, query: str) -> None:
    response = shared_api.get(f"/v1/studies?{query}")
    assert [error["field"] for error in _problem(response, response.status_code)] == [query.partition("=")[0]]
    assert response.status_code in {400, 422}


@pytest.mark.parametrize("number", ["0", "-1", "17", str(WIDE)])
def test_an_unknown_trial_is_not_found(api: httpx.Client, number: str) -> None:
    api.post("/v1/studies", json=document())
    response = api.get(f"/v1/studies/iris/trials/{number}")
    assert response.status_code in {404, 422}
    _problem(response, response.status_code)


def test_a_study_without_a_complete_trial_has_no_model_and_no_snippet(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document())
    for path in ("model", "snippet", "model?trial=0"):
        _problem(api.get(f"/v1/studies/iris/{path}"), 404)


def test_an_illegal_move_is_a_conflict(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document())
    _problem(api.delete("/v1/studies/iris"), 409)
    _problem(api.post("/v1/studies/iris/resume"), 409)
    api.post("/v1/studies/iris/stop")
    _problem(api.post("/v1/studies/iris/pause"), 409)
    assert api.get("/v1/studies/iris").json()["state"] == "stopped"
