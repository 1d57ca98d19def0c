"""A comparison is asked for with its study or later, is paused, stopped and deleted as one, and begins whole or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import optuna
import pytest

from service.errors import ConflictError
from service.storage.comparison_store import ComparisonStore
from service.storage.states import StudyState
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.errors import InvalidSpecError
from studies.plan import Plan
from studies.spec.comparison import TECHNIQUES as ALL_TECHNIQUES
from studies.spec.comparison import ComparisonSpec
from tests.service.comparing import (
    ASKED,
    COMPARISON,
    CONFIRMATION,
    PARTS,
    SEARCHED,
    TECHNIQUES,
    compared_document,
    compared_study,
    places,
    states,
    sweep_all,
    sweep_as_worker,
    work,
)
from tests.service.documents import document, study
from tests.service.ledgers import claimed, everything, ledger, study_names

#: A study as far as a user may have come before a comparison is asked for, changed or deleted.
STAGES: dict[str, Callable[[Store, Path], object]] = {
    "queued": lambda *_: None,
    "running": lambda store, folder: claimed(ledger(store, folder, "iris")),
    "paused": lambda store, _: store.set_state("iris", StudyState.PAUSED),
    "completed": lambda store, folder: sweep_as_worker(store, folder, "iris"),
    "stopped": lambda store, _: store.set_state("iris", StudyState.STOPPED),
}


def _errors(response: httpx.Response, status: int) -> list[dict[str, str]]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    errors: list[dict[str, str]] = response.json()["errors"]
    return errors


def test_a_comparison_in_the_spec_begins_with_its_study(store: Store) -> None:
    store.create_study(compared_study())
    assert states(store) == dict.fromkeys(["iris", *PARTS], "queued")
    assert sorted(study_names(store)) == sorted(["iris", *PARTS])
    whole = store.study("iris")
    assert (whole.comparison_state, whole.comparison) == ("searching", COMPARISON.model_dump(mode="json"))
    parts = ComparisonStore(store).parts(whole)
    assert [part.technique for part in parts] == list(TECHNIQUES)
    assert [progress.waiting for progress in store.progress(parts).values()] == [
        1,
        SEARCHED,
        SEARCHED,
    ]  # no regularization has nothing to search


def test_workers_take_the_study_first_and_then_its_parts(store: Store, folder: Path) -> None:
    store.create_study(compared_study())
    assert work(store, folder) == ["iris", *PARTS, CONFIRMATION]


def test_a_worker_of_one_study_works_on_its_comparison_and_no_other(store: Store, folder: Path) -> None:
    store.create_study(study("other"))
    store.create_study(compared_study())
    for expected in ("iris", *PARTS, CONFIRMATION):
        found = WorkerStore(store).next_study("iris")
        assert found is not None
        assert found.name == expected
        sweep_as_worker(store, folder, expected)
    assert WorkerStore(store).next_study("iris") is None


@pytest.mark.parametrize("stage", STAGES)
def test_a_comparison_may_be_asked_for_at_any_time(api: httpx.Client, store: Store, folder: Path, stage: str) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    STAGES[stage](store, folder)
    assert api.get("/v1/studies/iris").json()["comparison"] is None
    _errors(api.get("/v1/studies/iris/comparison"), 404)
    response = api.post("/v1/studies/iris/comparison", json=ASKED)
    begun = response.json()
    assert (response.status_code, begun["state"], begun["result"]) == (202, "searching", None)
    assert begun["spec"] == COMPARISON.model_dump(mode="json")
    assert [part["name"] for part in begun["parts"]] == PARTS
    shown = api.get("/v1/studies/iris").json()
    assert shown["comparison"] == {"state": "searching", "techniques": list(TECHNIQUES)}
    assert shown["state"] == stage
    assert api.get("/v1/studies/iris/comparison").json() == begun


def test_a_comparison_without_a_body_takes_every_default(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    begun = api.post("/v1/studies/iris/comparison").json()
    assert begun["spec"] == ComparisonSpec(techniques=ALL_TECHNIQUES).model_dump(mode="json")


@pytest.mark.parametrize("ended", [False, True])
def test_a_comparison_that_is_asked_for_twice_is_refused(
    api: httpx.Client, store: Store, folder: Path, ended: bool
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    if ended:
        work(store, folder)
    before = everything(store, folder)
    assert _errors(api.post("/v1/studies/iris/comparison", json=ASKED), 409) == []
    assert everything(store, folder) == before


@pytest.mark.parametrize("later", [False, True])
def test_a_technique_that_the_space_excludes_is_named_and_nothing_is_begun(
    store: Store, api: httpx.Client, folder: Path, later: bool
) -> None:
    space = {"dropout": 0, "regularizer": ["none", "l2"]}
    if later:
        api.post("/v1/studies", json=document(space=space)).raise_for_status()
    before = everything(store, folder)
    if later:
        response = api.post("/v1/studies/iris/comparison", json=ASKED)
    else:
        response = api.post("/v1/studies", json=compared_document(space=space))
    errors = _errors(response, 422)
    assert [error["field"] for error in errors] == ["comparison.techniques.1", "comparison.techniques.2"]
    assert "regularizer lacks l1" in errors[0]["message"]
    assert "dropout is 0" in errors[1]["message"]
    assert everything(store, folder) == before


def test_a_comparison_that_makes_no_sense_is_refused_by_the_field(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    bodies: list[Any] = [{"techniques": ["l1", "l1"]}, {"techniques": ["l1", "lasso"]}, {"repeats": 0}, {"fold": 3}]
    found = [_errors(api.post("/v1/studies/iris/comparison", json=body), 422) for body in bodies]
    assert [[error["field"] for error in errors] for errors in found] == [
        ["techniques"], ["techniques.1"], ["repeats"], ["fold"],
    ]  # fmt: skip
    assert api.get("/v1/studies/iris").json()["comparison"] is None


def test_the_store_itself_begins_no_comparison_that_the_space_excludes(store: Store, folder: Path) -> None:
    before = everything(store, folder)
    with pytest.raises(InvalidSpecError, match=r"comparison\.techniques\.2"):
        store.create_study(compared_study(space={"dropout": 0}))
    assert everything(store, folder) == before


def test_a_parts_name_that_only_optuna_knows_is_refused_and_nothing_is_begun(store: Store, folder: Path) -> None:
    optuna.create_study(storage=store.optuna, study_name="iris: dropout")
    before = everything(store, folder)
    with pytest.raises(ConflictError, match="'iris: dropout'"):
        store.create_study(compared_study())
    assert everything(store, folder) == before
    store.create_study(study())
    before = everything(store, folder)
    with pytest.raises(ConflictError, match="'iris: dropout'"):
        ComparisonStore(store).begin("iris", COMPARISON)
    assert everything(store, folder) == before


def test_listings_hide_the_parts_of_comparisons(api: httpx.Client, store: Store, folder: Path) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    work(store, folder)
    for query in ("", "?state=completed"):
        assert [each["name"] for each in api.get(f"/v1/studies{query}").json()["items"]] == ["iris"]
    part = api.get("/v1/studies/iris: l1").json()
    assert (part["state"], part["spec"]["space"]["regularizer"], part["comparison"]) == ("completed", "l1", None)
    assert len(api.get("/v1/studies/iris: l1/trials").json()["items"]) == SEARCHED


def test_the_best_of_a_search_is_the_greatest_where_the_objective_is_maximised(store: Store, folder: Path) -> None:
    store.create_study(compared_study(objectives=["val_accuracy"]))
    sweep_all(store, folder, PARTS)
    trials = places(store, "iris: dropout")
    best, worst = sorted(trials, key=lambda trial: trial.value or 0, reverse=True)
    planned = Plan.read(places(store, CONFIRMATION)[-1].plan or {})
    assert planned.params == best.params != worst.params
