"""A technique that was compared is named wherever a trial is; what cannot be had says why, and what can."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import httpx
import pytest

from studies.analysis.candidates import COCKTAILS
from studies.spec.comparison import TECHNIQUES as ALL_TECHNIQUES
from tests.service.comparing import TECHNIQUES, compared_document, serving_compared
from tests.service.documents import document

#: Every way to name a technique.
PLACES = [("GET", "comparison/model"), ("GET", "comparison/export"), ("GET", "snippet"), ("POST", "predict")]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with a study whose comparison has ended; nothing here changes it."""
    with serving_compared(tmp_path_factory.mktemp("compared")) as api:
        yield api


def ask(api: httpx.Client, method: str, path: str, technique: str, **more: object) -> httpx.Response:
    content = b"a,b\n1,2\n" if method == "POST" else None
    params = {"technique": technique, "format": "csv"} if method == "POST" else {"technique": technique}
    return api.request(method, f"/v1/studies/iris/{path}", params=params | more, content=content)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_an_unknown_word_is_a_422_that_lists_what_is_taken(compared: httpx.Client, method: str, path: str) -> None:
    refused = ask(compared, method, path, "lasso")
    assert refused.status_code == 422, refused.text
    [error] = refused.json()["errors"]
    assert error["field"] == "technique"
    assert "'lasso' is not known" in error["message"]
    assert all(name in error["message"] for name in ("recommended", *ALL_TECHNIQUES, *COCKTAILS))


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize("technique", ["early_stopping", "l1+early_stopping"])
def test_a_technique_that_was_not_compared_is_a_404_that_lists_those_that_were(
    compared: httpx.Client, method: str, path: str, technique: str
) -> None:
    refused = ask(compared, method, path, technique)
    assert refused.status_code == 404, refused.text
    assert f"has no {technique}; it compared {', '.join(TECHNIQUES)}" in refused.json()["detail"]


def test_a_plus_in_a_query_that_was_not_quoted_is_a_plus(compared: httpx.Client) -> None:
    refused = compared.get("/v1/studies/iris/snippet?technique=l1+early_stopping")
    assert (refused.status_code, "has no l1+early_stopping" in refused.json()["detail"]) == (404, True)


@pytest.mark.parametrize("technique", ["recommended", "early_stopping"])
def test_a_comparison_without_a_result_is_a_404_with_the_reason(api: httpx.Client, technique: str) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    refused = [ask(api, method, path, technique) for method, path in PLACES]
    assert [response.status_code for response in refused] == [404] * len(PLACES)
    reason = "the comparison of study 'iris' is searching and has no result"
    assert all(reason in response.json()["detail"] for response in refused)


def test_a_study_without_a_comparison_is_a_404_that_says_how_to_ask_for_one(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    refused = [ask(api, method, path, "recommended") for method, path in PLACES]
    assert [response.status_code for response in refused] == [404] * len(PLACES)
    reason = "has no comparison; POST to its /comparison asks for one"
    assert all(reason in response.json()["detail"] for response in refused)


@pytest.mark.parametrize("path", ["snippet", "predict"])
def test_a_trial_and_a_technique_are_not_named_together(compared: httpx.Client, path: str) -> None:
    refused = ask(compared, "POST" if path == "predict" else "GET", path, "l1", trial=0)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "technique"), refused.text


def test_the_model_of_the_recommended_technique_is_given_by_either_name(compared: httpx.Client) -> None:
    answer = compared.get("/v1/studies/iris/comparison").json()["result"]["recommendation"]["technique"]
    named = [ask(compared, "GET", "comparison/model", name) for name in ("recommended", answer)]
    left_out = compared.get("/v1/studies/iris/comparison/model")
    assert [response.status_code for response in (*named, left_out)] == [200, 200, 200]
    assert {response.headers["content-disposition"] for response in (*named, left_out)} == {
        named[0].headers["content-disposition"]
    }
    assert answer in named[0].headers["content-disposition"]


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_the_snippet_of_a_technique_has_its_parameters_and_no_others(compared: httpx.Client, technique: str) -> None:
    rows = compared.get("/v1/studies/iris/comparison").json()["result"]["techniques"]
    [params] = [row["params"] for row in rows if row["technique"] == technique]
    response = ask(compared, "GET", "snippet", technique)
    assert response.headers["content-type"].startswith("text/x-python")
    code = response.text
    ast.parse(code)
    [rate] = re.findall(r"Dropout\(rate=([^)]*)\)", code)
    assert ("Proximal" in code, float(rate)) == (technique == "l1", params["dropout"])
    if technique == "l1":
        assert str(params["lambda"]) in code
    assert "as compared in the regsweep study iris." in code.splitlines()[0]


def test_the_snippet_of_the_recommended_technique_is_that_of_its_name(compared: httpx.Client) -> None:
    answer = compared.get("/v1/studies/iris/comparison").json()["result"]["recommendation"]["technique"]
    assert ask(compared, "GET", "snippet", "recommended").text == ask(compared, "GET", "snippet", answer).text
    assert ask(compared, "GET", "snippet", "recommended").text != compared.get("/v1/studies/iris/snippet").text
