"""A study says who submitted it and what its comparison answers, and a name in use says what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.artifacts import Artifacts
from service.storage.keys import KeyStore
from service.storage.store import Store
from service.worker.publishing import publish
from tests.service.comparing import compared_document, work
from tests.service.documents import document

IRIS = "/v1/studies/iris"


def test_the_name_of_the_key_stays_with_the_study(api: httpx.Client, store: Store) -> None:
    assert api.post("/v1/studies", json=document("before")).json()["created_by"] is None
    held = {"Authorization": f"Bearer {KeyStore(store).create('Ada', 'submit').text}"}
    assert api.post("/v1/studies", json=document(), headers=held).json()["created_by"] == "Ada"
    listed = api.get("/v1/studies", headers=held).json()["items"]
    assert [item["created_by"] for item in listed] == ["Ada", None]


def test_the_answer_is_told_in_listings_until_the_comparison_is_deleted(
    api: httpx.Client, store: Store, folder: Path
) -> None:
    api.post("/v1/studies", json=compared_document()).raise_for_status()
    work(store, folder)
    publish(store, Artifacts(f"file://{folder}"), store.study("iris"))
    recommended = api.get(f"{IRIS}/comparison").json()["result"]["recommendation"]
    assert recommended["technique"] == "l1"
    [listed] = api.get("/v1/studies").json()["items"]
    assert listed["answer"] == f"L1, {recommended['verdict']}"
    assert store.change("iris", budget={"trials": 9}).answer == listed["answer"]
    api.delete(f"{IRIS}/comparison").raise_for_status()
    assert api.get(IRIS).json()["answer"] is None


@pytest.mark.parametrize(
    ("changes", "errors", "advice"),
    [
        ({"trials": 6}, {"budget.trials": "4 there, 6 here"}, "to go on with it, extend it to 6 trials"),
        (
            {"trials": 3},
            {"budget.trials": "4 there, 3 here"},
            "to go on with it, ask for 4 trials, or choose another name",
        ),
        (
            {"seed": 4, "model": {"kind": "mlp", "hidden_units": [9]}},
            {"model.hidden_units": "[8] there, [9] here", "seed": "3 there, 4 here"},
            "choose another name, or delete that one first",
        ),
    ],
)
def test_a_name_in_use_says_which_fields_differ(
    api: httpx.Client, changes: dict[str, Any], errors: dict[str, str], advice: str
) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    refused = api.post("/v1/studies", json=document(**changes))
    assert refused.status_code == 409
    assert {error["field"]: error["message"] for error in refused.json()["errors"]} == errors
    assert advice in refused.json()["detail"]
    assert all(f"{field}: {values}" in refused.json()["detail"] for field, values in errors.items())


@pytest.mark.parametrize(
    ("trials", "seconds", "advice"),
    [
        (9, 90, "extend it to 9 trials and 90 seconds"),
        (4, None, "extend it to no time limit"),
        (4, 1234567, "extend it to 1234567 seconds"),
        (9, 30, "ask for 4 trials and 60 seconds"),
    ],
)
def test_a_name_in_use_offers_to_extend_a_study_that_only_needs_more_trials_or_time(
    api: httpx.Client, trials: int, seconds: float | None, advice: str
) -> None:
    def budget(trials: int, seconds: float | None) -> dict[str, Any]:
        return {"trials": trials, "epochs": 3, "timeout_seconds": seconds}

    api.post("/v1/studies", json=document(budget=budget(4, 60))).raise_for_status()
    more = document(budget=budget(trials, seconds))
    refused = api.post("/v1/studies", json=more).json()["detail"]
    assert refused.endswith(f"; to go on with it, {advice}, or choose another name")
    assert api.post("/v1/studies/check", json=more).json()["name_conflict"] == refused


def test_the_same_study_again_differs_in_nothing(api: httpx.Client) -> None:
    api.post("/v1/studies", json=document()).raise_for_status()
    refused = api.post("/v1/studies", json=document()).json()
    assert refused["detail"] == "a study named 'iris' exists; choose another name or delete it first"
    assert refused["errors"] == []
