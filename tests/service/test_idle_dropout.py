"""What is said of dropout, through every door, of a Keras model in which nothing drops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import keras
import pytest
import sqlalchemy as sa
import yaml

from service.errors import ConflictError
from service.resuming import begin_or_resume
from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.records import StudyRecord
from service.storage.store import Store
from studies.spec.comparison import TECHNIQUES
from studies.spec.study import StudySpec
from tests.service.commanding import run_command, study_file
from tests.service.conftest import served, settings_in
from tests.service.contenders import sweep_here
from tests.service.documents import document, study

SENTENCE = (
    "space.dropout: is not searched, for no layer of the model drops; to try dropout, set model.insert_dropout: true, "
    "or give the model Dropout layers"
)


@pytest.fixture
def api(tmp_path: Path, url: str) -> Iterator[httpx.Client]:
    with served(settings_in(tmp_path, url)) as client:
        yield client


def undropped(**changes: Any) -> dict[str, Any]:
    layers = [keras.Input((4,)), keras.layers.Dense(6, activation="relu"), keras.layers.Dense(3, activation="softmax")]
    config = keras.Sequential(layers, name="undropped").to_json()
    return document(model={"kind": "keras", "config": config}, **changes)


def test_a_study_says_that_it_searches_no_dropout_and_compares_the_rest(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    body = undropped(comparison={"trials_per_technique": 2, "repeats": 2})
    checked = api.post("/v1/studies/check", json=body).json()
    submitted = api.post("/v1/studies", json=body).json()
    assert checked["warnings"] == submitted["warnings"] == [SENTENCE]
    assert checked["spec"] == submitted["spec"]
    assert submitted["spec"]["space"]["dropout"] == 0.0
    assert "dropout" not in submitted["comparison"]["techniques"]
    for again in (checked["spec"], yaml.safe_load(checked["yaml"])):
        assert api.post("/v1/studies/check", json=again).json()["spec"] == checked["spec"]
    sweep_here(store, folder, "iris")
    assert {trial["params"]["dropout"] for trial in api.get("/v1/studies/iris/trials").json()["items"]} == {0.0}


def test_a_rate_or_the_technique_that_is_asked_for_is_refused_by_its_field(api: httpx.Client) -> None:
    wanted = undropped(space={"dropout": {"low": 0.1, "high": 0.4}})
    for path in ("/v1/studies", "/v1/studies/check"):
        answer = api.post(path, json=wanted)
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["space.dropout"])
        assert "set model.insert_dropout: true" in answer.json()["detail"]
    wanted["model"]["insert_dropout"] = True
    assert api.post("/v1/studies/check", json=wanted).json()["warnings"] == []
    api.post("/v1/studies", json=undropped())
    answer = api.post("/v1/studies/iris/comparison", json={"techniques": ["none", "dropout"]})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (
        422,
        ["comparison.techniques.1"],
    )
    assert "no layer of the model drops" in answer.json()["detail"]


def test_validate_says_it_too(tmp_path: Path) -> None:
    checked = run_command("validate", study_file(tmp_path, undropped()))
    assert checked.returncode == 0
    assert "no layer of the model drops" in " ".join((checked.stdout + checked.stderr).split())
    refused = run_command("validate", study_file(tmp_path, undropped(space={"dropout": 0.3})))
    assert refused.returncode != 0
    assert "space.dropout" in refused.stderr


def test_a_study_of_an_earlier_version_goes_on_as_it_was_and_the_same_file_finds_it(store: Store, folder: Path) -> None:
    new = study(**undropped())
    earlier = StudySpec.model_validate(new.model_dump(mode="json") | {"space": {}})
    store.create_study(earlier)
    assert begin_or_resume(store, new) == "iris"
    assert "dropout" in store.study("iris").parsed_spec.space.distributions()
    store.change("iris", budget={"trials": 6})
    sweep_here(store, folder, "iris")
    warm = study(**undropped(name="warm", sampler={"name": "tpe"}, warm_start={"study": "iris"}))
    assert len(store.create_study(warm).warm_start_trials) == 6
    assert (store.study("iris").state, violations(store, Artifacts(f"file://{folder}"))) == ("completed", [])


def test_the_same_file_goes_on_with_a_comparison_of_an_earlier_version(store: Store) -> None:
    body = undropped(comparison={"trials_per_technique": 2, "repeats": 2})
    new = study(**body)
    store.create_study(StudySpec.model_validate(new.model_dump(mode="json") | {"space": {}}))
    with store.writing() as session:
        (row,) = session.scalars(sa.select(StudyRecord).where(StudyRecord.name == "iris"))
        row.comparison = {**(row.comparison or {}), "techniques": list(TECHNIQUES)}
    assert begin_or_resume(store, new) == "iris"
    other = study(**body | {"comparison": {"trials_per_technique": 3, "repeats": 2}})
    with pytest.raises(ConflictError, match="another comparison"):
        begin_or_resume(store, other)
