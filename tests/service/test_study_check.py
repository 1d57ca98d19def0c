"""What a study, a file or a model would be, asked before anything is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import keras
import numpy as np
import pytest
import yaml

from service.cli.local_files import read_dataset
from service.storage.store import Store
from studies.keras_config import start_weights
from studies.study_file import parse
from tests.acceptance.polling import eventually
from tests.service.conftest import served, settings_in
from tests.service.documents import document
from tests.service.working import working

ROWS = "\n".join(f"{i},{'Rome' if i % 3 else 'Oslo'},{i % 2}" for i in range(60))
CSV = f"id,city,y\n{ROWS}\n"


@pytest.fixture
def api(tmp_path: Path, url: str) -> Iterator[httpx.Client]:
    with served(settings_in(tmp_path, url)) as client:
        yield client


def check(api: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post("/v1/studies/check", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def profile(api: httpx.Client, content: str = CSV, **params: Any) -> httpx.Response:
    return api.post("/v1/datasets/profile", params=params, files={"file": ("Umsätze.csv", content, "text/csv")})


COMPARED = {"comparison": {"techniques": ["none", "l1", "dropout"], "trials_per_technique": 5, "repeats": 3}}


@pytest.mark.parametrize("more", [{}, COMPARED, {"budget": {"trials": 40}}, {"resampling": {"kind": "kfold"}}])
def test_a_check_counts_and_writes_the_study_that_submitting_makes(api: httpx.Client, more: dict[str, Any]) -> None:
    body = document("one", space={"lambda": {"low": 1e-6, "high": 0.1, "log": True}, "patience": None}) | more
    checked = check(api, body)
    assert (checked["name_is_free"], api.get("/v1/studies").json()["items"]) == (True, [])
    written = yaml.safe_load(checked["yaml"])
    assert parse(written) == parse(body)
    assert written.keys() == body.keys()
    submitted = api.post("/v1/studies", json=body).json()
    assert submitted["spec"] == checked["spec"]
    assert (checked["trials"], checked["fits"]) == (submitted["overall"]["trials"], submitted["overall"]["fits"])
    assert not check(api, body)["name_is_free"]


def test_a_check_is_refused_in_the_words_of_submission(api: httpx.Client) -> None:
    api.headers["X-Request-ID"] = "1"  # which a refusal repeats
    for wrong in (
        document("a/b"),
        document(budget={"trials": 0}),
        document(dataset={"kind": "uploaded", "name": "no"}),
        document(warm_start={"study": "none of this name"}, sampler={"name": "tpe"}),
        document(model={"kind": "cnn"}),
    ):
        checked, submitted = (api.post(path, json=wrong) for path in ("/v1/studies/check", "/v1/studies"))
        assert (checked.status_code, checked.json()) == (422, submitted.json())


def test_an_estimate_says_what_it_rests_on(api: httpx.Client, store: Store, folder: Path) -> None:
    guess = check(api, document())["estimate"]
    assert guess["why"].startswith("a guess: nothing was trained on this server yet")
    with working(store, folder):
        name = api.post("/v1/studies", json=document("measured")).json()["name"]
        eventually(lambda: api.get(f"/v1/studies/{name}").json()["ended_at"], 20)
    estimate = check(api, document())["estimate"]
    assert estimate["why"].startswith("from 4 trials of 'measured', of the same data and model")
    other = check(api, document(dataset={"kind": "builtin", "name": "wine"}))["estimate"]
    assert "of other data or models" in other["why"]
    assert estimate["seconds"] >= 1.0  # a training of the test's engine says that it took a quarter of a second


def test_a_file_is_profiled_and_not_kept_and_its_study_checked_before_it_is_uploaded(
    api: httpx.Client, tmp_path: Path
) -> None:
    plain = profile(api).json()
    assert (plain["name"], plain["target"], plain["suggested_target"]) == ("Umsätze", None, "y")
    assert [column["role"] for column in plain["profile"]["columns"]] == ["feature"] * 3
    assert "is an identifier by its name" in plain["profile"]["columns"][0]["warnings"][0]
    described = profile(api, target="y", ignore="id").json()
    dataset = {name: described[name] for name in ("name", "digest", "format", "options")}
    body = document(
        dataset=dataset | {"kind": "uploaded", "known": described["profile"]["facts"], "path": "Umsätze.csv"}
    )
    checked = check(api, body)
    (tmp_path / "Umsätze.csv").write_text(CSV)
    written = yaml.safe_load(checked["yaml"])
    assert written["dataset"] == {
        "kind": "file", "path": "Umsätze.csv", "name": "Umsätze", "target": "y", "ignore": ["id"]
    }  # fmt: skip
    assert read_dataset(written, tmp_path).check(written).model_dump(mode="json") == checked["spec"]
    assert all(each["kind"] != "uploaded" for each in api.get("/v1/datasets").json())
    uploaded = api.post("/v1/datasets", params={"target": "y", "ignore": "id"}, files={"file": ("Umsätze.csv", CSV)})
    assert (uploaded.status_code, uploaded.json()["profile"]) == (201, described["profile"])


def test_a_profile_is_refused_in_the_words_of_an_upload(api: httpx.Client) -> None:
    api.headers["X-Request-ID"] = "1"  # which a refusal repeats
    for content, params in ((CSV, {"target": "z"}), ("a,y\n1,2\n", {"target": "y"}), ("", {"target": "y"})):
        asked = profile(api, content, **params)
        kept = api.post("/v1/datasets", params=params, files={"file": ("Umsätze.csv", content, "text/csv")})
        assert (asked.status_code, asked.json()) == (422, kept.json())
    assert profile(api, "a,a\n1,2\n").json()["detail"].startswith("columns 1 and 2 have the same name")


def test_a_model_is_read_as_keras_counts_it(api: httpx.Client, tmp_path: Path) -> None:
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 3),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers, name="tiny")
    model.save(tmp_path / "tiny.keras")
    as_text = api.post("/v1/models/read", content=model.to_json(), headers={"Content-Type": "application/json"})
    as_file = api.post("/v1/models/read", files={"file": (tmp_path / "tiny.keras").read_bytes()})
    found = as_text.json()
    assert {**as_file.json(), "model": found["model"]} == found  # Keras writes a little more into the file
    assert [(layer["name"], layer["parameters"], tuple(layer["output_shape"])) for layer in found["layers"]] == [
        (layer.name, layer.count_params(), layer.output.shape[1:]) for layer in model.layers
    ]
    assert (found["name"], found["parameters"], found["input_shape"]) == ("tiny", model.count_params(), [8, 8, 1])
    dropping = keras.Sequential([*layers[:-1], keras.layers.Dropout(0.5), layers[-1]])
    assert [api.post("/v1/models/read", content=each.to_json()).json()["drops"] for each in (model, dropping)] == [
        False,
        True,
    ]
    body = document(dataset={"kind": "builtin", "name": "digits_images"}, model=found["model"])
    assert yaml.safe_load(check(api, body)["yaml"])["model"] == found["model"]


def test_a_model_is_read_with_its_weights_where_they_are_asked_for(api: httpx.Client, tmp_path: Path) -> None:
    layers = [keras.Input((4,)), keras.layers.Dense(5, name="hidden"), keras.layers.Dense(3, "softmax", name="out")]
    model = keras.Sequential(layers)
    model.save(tmp_path / "small.keras")
    content = (tmp_path / "small.keras").read_bytes()
    assert api.post("/v1/models/read", content=content).json()["model"]["weights"] is None
    answer = api.post("/v1/models/read", params={"weights": True}, content=content)
    assert answer.status_code == 200, answer.text
    found = answer.json()["model"]
    tensors = start_weights.unpack(found["weights"])
    np.testing.assert_array_equal(tensors["hidden/vars/0"], model.layers[0].kernel)
    accepted = api.post("/v1/studies", json=document(name="tuned", model=found))
    assert (accepted.status_code, accepted.json()["spec"]["model"]) == (201, {**found, "inputs": {}, "positions": {}})
    assert api.get("/v1/studies").json()["items"][0]["spec"]["model"]["weights"] is None
    assert api.get("/v1/studies/tuned").json()["spec"]["model"]["weights"] == found["weights"]
    as_text = api.post("/v1/models/read", params={"weights": True}, content=model.to_json())
    assert (as_text.status_code, as_text.json()["errors"][0]["field"]) == (422, "model")
    assert "the file holds no weights to start from; give a .keras file" in as_text.json()["detail"]


def test_a_model_that_no_study_takes_is_refused_as_its_study_would_be(api: httpx.Client) -> None:
    lambda_ = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"name": "x"}}]}}
    for text in (json.dumps(lambda_), "{}", "[]"):
        read = api.post("/v1/models/read", content=text).json()["errors"]
        submitted = api.post("/v1/studies", json=document(model={"kind": "keras", "config": text})).json()["errors"]
        assert read == submitted
        if text != json.dumps(lambda_):
            said = "is no Keras model: give the text of model.to_json() or a .keras file"
            assert read == [{"field": "model.config", "message": said}]
    assert "neither JSON nor a .keras file" in api.post("/v1/models/read", content=b"\xff\xfe").json()["detail"]
