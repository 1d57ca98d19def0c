"""What a stranger sends is refused with its field, shortly; what strangers wrote runs in no terminal or spreadsheet."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from service.api.app import create_app
from service.api.json_route import JsonRoute
from service.api.turns import Turns
from service.cli.output import PlainConsole, plain, plain_json
from service.csv_cells import escape_formulas
from tests.service.commanding import run_command
from tests.service.conftest import settings_in
from tests.service.documents import document
from tests.studies.test_keras_config import INPUT, OUTPUT, layer, sequential


def post(api: httpx.Client, body: bytes, content_type: str | None = "application/json") -> httpx.Response:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return api.post("/v1/studies/check", content=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"name": "\\ud800"}', 422, "name: holds half a character"),
        (
            b'{"dataset": {"kind": "builtin", "name": "iris"}, "sampler": {"name": "t\\u0000"}}',
            422,
            "sampler.name: holds",
        ),
        (b'{"seed": 1e999}', 422, "seed: must be a finite number"),
        (b'{"seed": ' + b"9" * 5000 + b"}", 422, "seed: must be a finite number"),
        (b'{"a":' * 5000, 400, "nested too deep"),
        (b'{"a":1,"a":2}', 422, "a: stands twice"),
        (b"[" + b"[]," * 3_300_000 + b"[]]", 422, "more than 200,000 values"),
        (b"{" + b",".join(b'"%d":1' % each for each in range(60_000)) + b"}", 422, "more than 50,000 fields"),
        (b"{" + b",".join(b'"%d":1' % each for each in range(20_000)) + b"}", 422, "more than 10,000 fields"),
        (b"\xff\xff", 400, "not UTF-8"),
        (b"{", 400, "expecting property name"),
    ],
)
def test_a_body_that_no_document_is_is_told_what_is_wrong(
    shared_api: httpx.Client, body: bytes, status: int, message: str
) -> None:
    refused = post(shared_api, body)
    assert refused.status_code == status, refused.text
    assert message in refused.json()["detail"]


def test_a_body_of_another_content_type_or_of_none_is_told_so(shared_api: httpx.Client) -> None:
    body = json.dumps(document()).encode()
    assert post(shared_api, body, "application/merge-patch+json").status_code == 200
    for path in ("/v1/studies/check", "/v1/studies", "/v1/webhooks"):
        for content_type, said in (
            ("text/plain", "its Content-Type is 'text/plain'"),
            ("application/x-www-form-urlencoded", "its Content-Type is 'application/x-www-form-urlencoded'"),
            (None, "it has no Content-Type"),
        ):
            headers = {} if content_type is None else {"Content-Type": content_type}
            refused = shared_api.post(path, content=body, headers=headers)
            assert (refused.status_code, refused.json()["title"]) == (400, "Not JSON")
            assert refused.json()["detail"] == f"the body is not JSON: {said}; send 'application/json'"


def test_thousands_of_unknown_fields_are_a_short_answer(shared_api: httpx.Client) -> None:
    refused = shared_api.post("/v1/studies", json=document() | {f"seeds{index}": 1 for index in range(900)})
    assert refused.status_code == 422
    assert len(refused.json()["errors"]) == 51
    assert len(refused.content) < 20_000


@pytest.mark.parametrize("path", ["/v1/studies/{}", "/v1/datasets/{}", "/studies/{}", "/{}", "/v1/studies?project={}"])
def test_no_refusal_repeats_a_long_name(shared_api: httpx.Client, path: str) -> None:
    for method in ("GET", "DELETE"):
        refused = shared_api.request(method, path.format("x" * 9000))
        assert refused.status_code in (404, 405, 422), refused.text
        if "problem" in refused.headers["content-type"]:  # a page's links repeat its path
            assert len(refused.content) < 3000


def test_texts_with_nul_are_refused_wherever_they_stand(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document())
    asked: list[tuple[str, Any]] = [
        ("/v1/studies/iris/trials", {"params": {"regularizer": "l1\0"}}),
        ("/v1/studies/iris/trials/0/invalidate", {"reason": "a\0b"}),
    ]
    for path, body in asked:
        refused = api.post(path, json=body)
        assert refused.status_code == 422, refused.text
        assert "NUL" in refused.json()["detail"]


def test_every_route_that_takes_json_reads_it_by_the_one_reader(tmp_path: Path) -> None:
    routes = [route for route in create_app(settings_in(tmp_path)).routes if isinstance(route, APIRoute)]
    assert [route.path for route in routes if route.body_field is not None and not isinstance(route, JsonRoute)] == []


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([layer("Dense", "my layer", units=3)], "TensorFlow takes no ' ' in a layer's name"),
        ([layer("TimeDistributed", "t", layer=layer("Dense", "größe", units=3))], "TensorFlow takes no 'ö'"),
        ([layer("UpSampling1D", f"up{index}", size=64) for index in range(8)], "holds more than 1,000,000,000,000"),
        ([layer("UpSampling1D", f"up{index}", size=64) for index in range(4)], "allows here"),
        ([layer("Dense", "hidden", units=3)], "the output has the shape (4, 3) a row"),
    ],
)
def test_a_model_that_no_worker_could_train_is_refused(
    shared_api: httpx.Client, layers: list[Any], message: str
) -> None:
    config = sequential(INPUT, layer("Reshape", "steps", target_shape=[4, 1]), *layers, OUTPUT)
    refused = shared_api.post("/v1/studies/check", json=document() | {"model": {"kind": "keras", "config": config}})
    assert refused.status_code == 422
    assert message in refused.json()["detail"]


def test_a_model_that_is_code_says_so(shared_api: httpx.Client) -> None:
    refused = shared_api.post("/v1/models/read", content=b"import keras\nmodel = keras.Sequential()\n")
    assert "is Python code, which is not run" in refused.json()["detail"]


def test_a_listing_leaves_the_config_of_a_model_to_the_study(api: httpx.Client) -> None:
    config = sequential(INPUT, OUTPUT)
    created = api.post("/v1/studies", json=document(model={"kind": "keras", "config": config})).raise_for_status()
    [listed] = api.get("/v1/studies").json()["items"]
    alone = api.get("/v1/studies/iris").json()["spec"]
    assert (created.json()["spec"], listed["spec"]) == (alone, {**alone, "model": {**alone["model"], "config": None}})
    assert alone["model"]["config"]["class_name"] == "Sequential"


def test_no_escape_of_a_stranger_reaches_the_terminal() -> None:
    assert plain("a\x1b[31mb\u202e\x9b\tc\n") == "a\\x1b[31mb\\u202e\\x9b\tc\n"
    assert json.loads(plain_json('"a\x9bb"')) == "a\x9bb"
    out = io.StringIO()
    PlainConsole(file=out, force_terminal=True, color_system="truecolor").print(
        "[bold]\x1b]0;title\x07 name[/bold]", highlight=False
    )
    assert "\x1b[1m" in out.getvalue()
    assert "\\x1b]0;title" in out.getvalue()
    assert "\x1b]0" not in out.getvalue()


def test_texts_that_spreadsheets_would_run_are_escaped_and_numbers_are_not() -> None:
    cells = ["=1+1", "+x", "-x", "@x", "-0.5", "-1e-3", -0.5, None, "a=b", "\t=1"]
    assert escape_formulas(cells) == ["'=1+1", "'+x", "'-x", "'@x", "-0.5", "-1e-3", -0.5, None, "a=b", "'\t=1"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://u:secret@h/d", "sqlite+aiosqlite:///x.db"])
def test_a_database_that_is_not_served_is_refused_in_a_sentence(url: str) -> None:
    refused = run_command("studies", "--database-url", url)
    assert refused.returncode == 2
    assert refused.stderr.startswith("regsweep: --database-url (or REGSWEEP_DATABASE_URL): ")
    assert refused.stderr.count("\n") == 1
    assert "secret" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["extend", "iris", "--timeout-seconds", "nan"], "--timeout-seconds: must be above 0; inf for no limit"),
        (["show", "."], "there is no study named '.'"),
        (["show", "../x"], "there is no study named '../x'"),
    ],
)
def test_a_name_or_a_number_that_is_none_is_one_line(arguments: list[str], said: str) -> None:
    refused = run_command(*arguments, "--server", "http://127.0.0.1:9")
    assert (refused.returncode, refused.stderr) == (2, f"regsweep: {said}\n")


def test_large_documents_of_a_key_wait_for_each_other_and_small_ones_do_not(tmp_path: Path) -> None:
    app = create_app(settings_in(tmp_path))
    large = json.dumps(document() | {"seed": "x" * 100_000}).encode()
    headers = {"Content-Type": "application/json"}

    async def go() -> None:
        app.state.large_bodies = Turns(2, "2 large documents are read at once", wait_seconds=0.01)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as api:
            async with app.state.large_bodies.take(None):
                waited = await api.post("/v1/studies/check", content=large)
                assert waited.status_code == 503
                assert "2 large documents are read at once and this one has waited" in waited.json()["detail"]
                assert (await api.post("/v1/studies/check", json=document())).status_code == 200
            assert (await api.post("/v1/studies/check", content=large)).status_code == 422

    asyncio.run(go())
    app.state.lazy_store.close()
