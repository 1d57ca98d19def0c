"""HEAD is where GET is, OPTIONS and every 405 tell all methods of a path, and a query has no unknown parameter."""

from __future__ import annotations

import re

import httpx
import pytest

from service.api.app import create_app
from service.settings import Settings
from tests.service.documents import document

PATHS = create_app(Settings(workers=0)).openapi()["paths"]
OPERATIONS = [(path, method.upper()) for path, operations in PATHS.items() for method in operations]


def _filled(path: str) -> str:
    return re.sub(r"{\w+}", "1", path)


@pytest.mark.parametrize("path", PATHS)
def test_options_and_a_wrong_method_tell_every_method_of_a_path(shared_api: httpx.Client, path: str) -> None:
    url = _filled(path)
    told = shared_api.options(url)
    assert (told.status_code, told.content) == (204, b"")
    methods = set(told.headers["allow"].split(", "))
    ours = {method for other, method in OPERATIONS if other == path}
    assert ours | {"OPTIONS"} | ({"HEAD"} if "GET" in ours else set()) <= methods
    refused = shared_api.request("PUT", url)
    assert (refused.status_code, refused.headers["allow"]) == (405, told.headers["allow"])
    assert told.headers["allow"] in refused.json()["detail"]


def test_a_path_of_its_own_does_not_tell_the_methods_of_a_study_of_that_name(shared_api: httpx.Client) -> None:
    assert shared_api.options("/v1/studies/check").headers["allow"] == "OPTIONS, POST"


def test_paths_that_are_no_operation_answer_options_too(shared_api: httpx.Client) -> None:
    assert shared_api.options("/studies/a").headers["allow"] == "GET, HEAD, OPTIONS"
    assert shared_api.options("/login").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert shared_api.options("/api/studies").headers["allow"] == "GET, HEAD, OPTIONS"
    assert shared_api.options("/nowhere").status_code == 404


def test_head_of_a_stream_ends(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    head = api.head("/v1/studies/iris/events")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_unknown_query_parameter_is_refused_by_its_name(shared_api: httpx.Client, path: str, method: str) -> None:
    refused = shared_api.request(method, f"{_filled(path)}?limitt=3")
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    [error] = refused.json()["errors"]
    assert error["field"] == "limitt"
    for parameter in PATHS[path][method.lower()].get("parameters", []):
        if parameter["in"] == "query":
            assert parameter["name"] in error["message"]
