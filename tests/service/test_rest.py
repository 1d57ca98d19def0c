"""The API as a client sees it, on studies that a counting engine has run in this process."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.store import Store
from studies.spec.name import is_name
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document

TRIALS = 9


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with two studies of which every trial ran: `one` objective, and `two`."""
    folder = tmp_path_factory.mktemp("ran")
    settings = settings_in(folder)
    with served(settings) as api:
        api.post("/v1/studies", json=document("one", TRIALS)).raise_for_status()
        two = document("two", TRIALS, objectives=["val_loss", "epochs"])
        api.post("/v1/studies", json=two).raise_for_status()
        store = Store(settings.database_url)
        sweep_here(store, folder / "artifacts", "one")
        sweep_here(store, folder / "artifacts", "two")
        store.close()
        yield api


def _json(api: httpx.Client, path: str) -> Any:
    response = api.get(path)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_study_is_created_with_its_defaults_and_its_place(api: httpx.Client) -> None:
    response = api.post("/v1/studies", json={"dataset": {"kind": "builtin", "name": "wine"}, "name": "a b.c"})
    created = response.json()
    assert (response.status_code, response.headers["location"]) == (201, "/v1/studies/a%20b.c")
    assert _json(api, response.headers["location"]) == created
    assert (created["state"], created["task"], created["best"]) == ("queued", "multiclass", None)
    assert created["spec"]["objectives"] == ["val_loss"]
    assert created["spec"]["space"]["lambda"] == {"low": 1e-6, "high": 0.1, "log": True}
    assert created["progress"] == {
        "trials": 50, "complete": 0, "pruned": 0, "failed": 0, "running": 0, "waiting": 50,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "name", "options", "why"),
    [
        (
            {
                "dataset": {"kind": "builtin", "name": "digits"},
                "space": {"learning_rate": [0.1, 0.001]},
                "budget": {"trials": 60},
                "pruner": "auto",
            },
            "hyperband",
            {"min_resource": 11, "max_resource": 100},
            "the learning rate is searched",
        ),
        ({"dataset": {"kind": "builtin", "name": "iris"}}, "none", {}, "as the study says"),
        ({"dataset": {"kind": "builtin", "name": "iris"}, "pruner": "auto"}, "none", {}, "rate is not searched"),
        (
            {"dataset": {"kind": "builtin", "name": "iris"}, "pruner": {"name": "median", "n_startup_trials": 3}},
            "median",
            {"n_startup_trials": 3},
            "as the study says",
        ),
    ],
)
def test_a_study_says_which_pruner_runs_and_why(
    api: httpx.Client, parts: dict[str, Any], name: str, options: dict[str, Any], why: str
) -> None:
    created = api.post("/v1/studies", json={"name": "pruned", **parts}).json()
    assert (created["pruner"]["name"], created["pruner"]["options"]) == (name, options)
    assert why in created["pruner"]["why"]
    assert _json(api, "/v1/studies/pruned")["pruner"] == created["pruner"]


def test_studies_without_a_name_get_one_each(api: httpx.Client) -> None:
    names = {api.post("/v1/studies", json=document(None)).json()["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(is_name(name) for name in names)


def test_a_study_is_paused_resumed_stopped_and_deleted(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/v1/studies", json=document())
    states = [api.post(f"/v1/studies/iris/{verb}").json()["state"] for verb in ("pause", "resume", "stop")]
    assert states == ["paused", "queued", "stopped"]
    assert api.delete("/v1/studies/iris").status_code == 204
    assert api.get("/v1/studies/iris").status_code == 404
    assert api.get("/api/studies").json()["study_summaries"] == []


def test_deleting_a_study_removes_its_models(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/v1/studies", json=document())
    store = Store(f"sqlite:///{tmp_path / 'regsweep.db'}")
    sweep_here(store, tmp_path / "artifacts", "iris")
    store.close()
    assert list((tmp_path / "artifacts").rglob("*.keras"))
    api.delete("/v1/studies/iris")
    assert not list((tmp_path / "artifacts").rglob("*.keras"))


def test_a_study_that_ran_shows_its_progress_and_its_best(ran: httpx.Client) -> None:
    one = _json(ran, "/v1/studies/one")
    assert (one["state"], one["progress"]["complete"], one["progress"]["waiting"]) == ("completed", TRIALS, 0)
    items = _json(ran, "/v1/studies/one/trials")["items"]
    best = min(items, key=lambda trial: (trial["value"], trial["number"]))
    spread = {"deviation": None, "seeds": None}
    assert one["best"] == {name: best[name] for name in ("number", "value", "params")} | spread
    assert _json(ran, "/v1/studies/one/best") == {"objectives": ["val_loss"], "items": [best]}


def test_several_objectives_have_a_front_and_no_single_best(ran: httpx.Client) -> None:
    assert _json(ran, "/v1/studies/two")["best"] is None
    front = _json(ran, "/v1/studies/two/best")["items"]
    assert len(front) > 1
    refused = ran.get("/v1/studies/two/model")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "trial")
    assert ran.get("/v1/studies/two/model", params={"trial": front[1]["number"]}).content == b"weights"


def test_listings_are_filtered_sorted_and_paged(ran: httpx.Client) -> None:
    numbers, cursor = [], None
    while True:
        query: dict[str, str | int] = {"limit": 2, "sort": "-value", "state": "complete"}
        page = ran.get("/v1/studies/one/trials", params=query | ({"cursor": cursor} if cursor else {})).json()
        numbers += [trial["number"] for trial in page["items"]]
        if (cursor := page["next"]) is None:
            break
    items = _json(ran, "/v1/studies/one/trials")["items"]
    assert len(numbers) > 2
    assert numbers == [t["number"] for t in sorted(items, key=lambda t: (-t["value"], t["number"]))]
    assert _json(ran, "/v1/studies/one/trials?state=FAIL&state=PRUNED") == {"items": [], "next": None}
    assert [study["name"] for study in _json(ran, "/v1/studies?state=completed")["items"]] == ["two", "one"]
    assert _json(ran, "/v1/studies?state=paused")["items"] == []


@pytest.mark.parametrize(
    "other",
    [
        "studies/one/trials?sort=value",
        "studies/one/trials?sort=-value&state=pruned",
        "studies/two/trials?sort=-value",
        "studies?limit=1",
    ],
)
def test_a_cursor_continues_no_other_listing(ran: httpx.Client, other: str) -> None:
    cursor = _json(ran, "/v1/studies/one/trials?sort=-value&limit=1")["next"]
    refused = ran.get(f"/v1/{other}", params=httpx.QueryParams(other.partition("?")[2]).set("cursor", cursor))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")
    assert _json(ran, f"/v1/studies/one/trials?sort=-value&limit=5&cursor={cursor}")["items"]


def test_a_trial_shows_what_has_an_effect_and_null_for_what_has_none(ran: httpx.Client) -> None:
    for trial in _json(ran, "/v1/studies/one/trials")["items"]:
        params = trial["params"]
        assert (params["lambda"] is None) == (params["regularizer"] == "none")
        assert (params["l1_ratio"] is None) == (params["regularizer"] != "elastic_net")
        assert _json(ran, f"/v1/studies/one/trials/{trial['number']}") == trial


def test_a_curve_has_an_entry_an_epoch(ran: httpx.Client) -> None:
    trial = _json(ran, "/v1/studies/one/trials/3")
    curve = _json(ran, "/v1/studies/one/trials/3/curve")
    assert (curve["number"], curve["epochs"]) == (3, trial["epochs"])
    assert {len(column) for column in curve["curve"].values()} == {trial["epochs"]}


def test_the_table_of_trials_parses(ran: httpx.Client) -> None:
    response = ran.get("/v1/studies/one/trials.csv")
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    items = _json(ran, "/v1/studies/one/trials")["items"]
    assert [int(row["number"]) for row in rows] == list(range(TRIALS))
    assert [float(row["value"]) for row in rows] == [trial["value"] for trial in items]
    for row, trial in zip(rows, items, strict=True):
        assert row["params_regularizer"] == trial["params"]["regularizer"]
        assert math.isclose(float(row["metrics_val_loss"]), trial["metrics"]["val_loss"])
        assert (row["params_lambda"] == "") == (trial["params"]["lambda"] is None)


def test_the_snippet_is_python_with_the_trials_values(ran: httpx.Client) -> None:
    trial = _json(ran, "/v1/studies/one/trials/2")
    code = ran.get("/v1/studies/one/snippet", params={"trial": 2}).text
    compile(code, "snippet", "exec")
    assert f"patience={trial['params']['patience']}," in code
    assert repr(trial["params"]["dropout"]) in code


def test_the_schema_explains_every_field_of_a_study(api: httpx.Client) -> None:
    schema = _json(api, "/v1/schema")
    parts = {"StudySpec": schema} | schema["$defs"]
    # Of a discriminating `kind` the alternatives say all there is.
    silent = [
        f"{name}.{field}"
        for name, part in parts.items()
        for field, about in part.get("properties", {}).items()
        if "description" not in about and field != "kind" and not name.endswith("Range")
    ]
    assert silent == []
    assert all(schema["$defs"][name].get("description") for name in schema["$defs"])
    assert schema["x-samplers"].keys() >= {"tpe", "random", "cmaes", "qmc", "nsga2", "grid"}
    assert "n_startup_trials" in schema["x-samplers"]["tpe"]["properties"]


def test_the_openapi_page_lists_every_route(api: httpx.Client) -> None:
    paths = _json(api, "/openapi.json")["paths"]
    assert paths.keys() >= {"/healthz", "/v1/schema", "/v1/datasets", "/v1/studies", "/v1/studies/{name}"}
    kept = {"trials", "trials/{number}", "trials/{number}/curve", "best", "trials.csv", "model", "snippet"}
    moves = {"pause", "resume", "stop"}
    assert paths.keys() >= {f"/v1/studies/{{name}}/{path}" for path in kept | moves}
    assert all(operation["description"] for path in paths.values() for operation in path.values())


def test_every_dataset_that_is_listed_can_be_named_in_a_study(api: httpx.Client) -> None:
    for dataset in _json(api, "/v1/datasets"):
        named = {key: dataset[key] for key in ("kind", "name")}
        assert api.post("/v1/studies", json={"dataset": named}).json()["task"] == dataset["task"]
