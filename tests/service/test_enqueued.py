"""Params that a study's file enqueues are what its first trials try, whichever worker runs them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.artifacts import Artifacts
from service.storage.invariants import violations
from service.storage.pagination import Sort
from service.storage.states import StudyState
from service.storage.store import Store
from tests.service.comparing import ASKED, states, work
from tests.service.contenders import sweep_here
from tests.service.documents import document, study

NUMBERS = Sort.parse("number")
WHOLE = {"regularizer": "l2", "lambda": 0.001, "l1_ratio": 0.5, "dropout": 0.25, "patience": 7}
PART = {"dropout": 0.1}
BEGINS: dict[str, Any] = {"warm_start": {"enqueue": [WHOLE, PART]}}


def tried(store: Store, name: str = "iris") -> list[dict[str, Any]]:
    return [trial.params or {} for trial in store.trials(name, (), NUMBERS, 99, None).items]


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_the_first_trials_try_what_the_study_enqueues_and_the_sampler_gives_the_rest(
    store: Store, folder: Path, sampler: str
) -> None:
    store.create_study(study(sampler={"name": sampler}, **BEGINS))
    assert sweep_here(store, folder, "iris") == 4
    first, second, third, _ = tried(store)
    assert {**first, "l1_ratio": 0.5}.items() >= WHOLE.items()
    assert second["dropout"] == 0.1
    assert third["dropout"] not in (0.1, 0.25)
    enqueued = [trial.enqueued_params for trial in store.trials("iris", (), NUMBERS, 9, None).items]
    assert enqueued == [WHOLE, PART, None, None]
    assert violations(store, Artifacts(f"file://{folder}")) == []


def test_a_reproducible_study_tries_them_alike_for_one_worker_and_for_three(tmp_path: Path) -> None:
    tables = []
    for workers in (1, 3):
        store = Store(f"sqlite:///{tmp_path / str(workers)}.db")
        store.create_study(study(trials=12, reproducible=True, training={"lanes": 2}, **BEGINS))
        with ThreadPoolExecutor(workers) as pool:
            assert sum(pool.map(lambda worker: sweep_here(store, tmp_path, "iris", worker), "abc"[:workers])) == 12  # noqa: B023
        tables.append(tried(store))
        store.close()
    assert tables[0] == tables[1]
    assert (tables[0][0]["lambda"], tables[0][1]["dropout"]) == (0.001, 0.1)


def test_a_study_that_was_stopped_before_it_tried_them_tries_them_when_it_goes_on(store: Store, folder: Path) -> None:
    store.create_study(study(**BEGINS))
    store.set_state("iris", StudyState.STOPPED)
    store.change("iris", budget={"trials": 5})
    assert sweep_here(store, folder, "iris") == 5
    assert [params["dropout"] for params in tried(store)[:2]] == [0.25, 0.1]


def test_a_study_that_enqueues_params_can_be_compared(store: Store, folder: Path) -> None:
    store.create_study(study(comparison=ASKED, **BEGINS))
    work(store, folder)
    assert states(store) == dict.fromkeys(states(store), "completed")


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"warm_start": {}}, "warm_start", "names nothing to begin with"),
        ({"warm_start": {"enqueue": []}}, "warm_start", "names nothing to begin with"),
        ({"warm_start": {"enqueue": [{"dropout": 0.6}]}}, "warm_start.enqueue.0.dropout", "from 0 to 0.5"),
        ({"warm_start": {"enqueue": [PART, {"rate": 1}]}}, "warm_start.enqueue.1.rate", "is not searched; choose from"),
        ({"warm_start": {"enqueue": [{"regularizer": "l3"}]}}, "warm_start.enqueue.0.regularizer", "one of none, l1"),
        ({"warm_start": {"enqueue": [{"patience": True}]}}, "warm_start.enqueue.0.patience", "from 5 to 20"),
        ({"warm_start": {"enqueue": [PART] * 5}}, "warm_start.enqueue", "of 5 trials and the budget has 4"),
        ({"warm_start": {"enqueue": [PART] * 1001}}, "warm_start.enqueue", "at most 1,000"),
    ],
)
def test_what_no_trial_of_the_study_could_try_is_refused_by_its_field(
    api: httpx.Client, changes: dict[str, Any], field: str, message: str
) -> None:
    refused = api.post("/v1/studies", json=document(**changes))
    assert refused.status_code == 422, refused.text
    [error] = refused.json()["errors"]
    assert error["field"] == field
    assert message in error["message"]
