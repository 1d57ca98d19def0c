"""What runs now is seen: a trial's curve as it grows, and what each worker does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.storage.states import Activity
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.datasets.preprocessing import PreparedData
from studies.sweep.running_curve import RunningCurve
from studies.training.result import Job, OnEpoch, Trained
from tests.acceptance.polling import eventually
from tests.service import comparing
from tests.service.documents import study, trial_result, write_model
from tests.service.ledgers import ledger, opened
from tests.service.listening import listening
from tests.service.working import working

LONG = {"trials": 1, "epochs": 10_000}


class Held:
    """An engine whose training goes on until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self, _job: Job, _data: PreparedData, on_epoch: OnEpoch) -> Trained:
        epoch = 0
        while not self.let_go.wait(0.02):
            epoch += 1
            on_epoch(epoch, {"loss": 1.0, "val_loss": 1 / epoch, "val_accuracy": 1 - 1 / epoch})
        return Trained(trial_result(0.5, 3), write_model)


def curve_of(api: httpx.Client, number: int = 0) -> Any:
    answer = api.get(f"/v1/studies/iris/trials/{number}/curve")
    return answer.json() if answer.status_code == 200 else None


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({}, "val_loss"),
        ({"objectives": ["val_accuracy", "nonzero_weights"], "pruner": {"name": "none"}}, "val_accuracy"),
    ],
)
def test_the_curve_of_a_running_trial_is_seen_as_it_grows(
    store: Store, folder: Path, api: httpx.Client, changes: Mapping[str, Any], metric: str
) -> None:
    store.create_study(study(**changes, budget=LONG))
    held = Held()
    with listening(api) as events, working(store, folder, held):
        grown = [next(event.data for event in events if event.kind == "curve") for _ in range(2)]
        read = curve_of(api)
        held.let_go.set()
        assert [event.kind for event in events][-1] == "end"
    assert (read["running"], set(read["curve"])) == (True, {"epoch", metric})
    assert len(grown[0]["steps"]) < len(grown[1]["steps"]) <= read["epochs"]
    for epoch, value in zip(grown[1]["steps"], grown[1]["values"], strict=True):
        assert value == pytest.approx(1 / epoch if metric == "val_loss" else 1 - 1 / epoch)
    ended = curve_of(api)
    assert (ended["running"], ended["epochs"], ended["curve"]) == (False, 3, trial_result(0.5, 3).curve)


def test_a_trial_that_waits_again_has_no_curve_until_it_runs(store: Store, folder: Path, api: httpx.Client) -> None:
    spec = study()
    store.create_study(spec)
    book = ledger(store, folder, "iris")
    claim, number = opened(book, spec)
    assert curve_of(api, number) == {
        "number": number,
        "running": True,
        "epochs": 0,
        "curve": {"epoch": [], "val_loss": []},
    }
    book.hand_back(claim)
    assert api.get(f"/v1/studies/iris/trials/{number}/curve").json()["detail"].endswith("it waits for a worker")


def test_a_curve_of_many_epochs_is_thinned_out_evenly() -> None:
    curve = RunningCurve()
    curve.extend(1 / epoch for epoch in range(1, 10_001))
    columns = curve.columns("val_loss")
    steps = {int(later - earlier) for earlier, later in zip(columns["epoch"], columns["epoch"][1:], strict=False)}
    assert (columns["epoch"][0], len(steps), len(columns["epoch"]) <= 256) == (1, 1, True)
    assert columns["epoch"][-1] > 10_000 - 2 * steps.pop()
    assert columns["val_loss"] == pytest.approx([1 / epoch for epoch in columns["epoch"]])
    curve.add(2, 9.0)  # it began anew
    assert curve.columns("val_loss")["epoch"] == [1]


def test_workers_show_themselves_and_what_they_do(store: Store, folder: Path, api: httpx.Client) -> None:
    assert api.get("/v1/workers").json() == {"workers": [], "trials_a_minute": 0.0}
    store.create_study(study(budget=LONG))
    held = Held()
    with working(store, folder, held) as worker:
        assert eventually(lambda: curve_of(api), 30)
        [seen] = api.get("/v1/workers").json()["workers"]
        assert (seen["name"], seen["activity"], seen["study"], seen["lanes"]) == (worker.name, "training", "iris", 1)
        assert api.get("/v1/studies/iris").json()["activity"] == "search 0/1"
        held.let_go.set()
        eventually(lambda: api.get("/v1/workers").json()["workers"][0]["activity"] == "idle", 30)
    answer = api.get("/v1/workers").json()
    assert (answer["workers"], answer["trials_a_minute"]) == ([], 1.0)
    assert api.get("/v1/studies/iris").json()["activity"] is None


def test_a_study_says_what_workers_do_for_it_and_its_comparison(store: Store, api: httpx.Client) -> None:
    store.create_study(comparing.compared_study())
    workers, part = WorkerStore(store), store.study("iris: l1")

    def activity(name: str = "iris") -> Any:
        return api.get(f"/v1/studies/{name}").json()["activity"]

    assert activity() is None
    workers.show_worker("a", Activity.LOADING_TENSORFLOW, None, 60)
    assert activity() == "loading TensorFlow"
    workers.show_worker("b", Activity.COMPILING, part.id, 60)
    assert (activity(), activity("iris: l1"), activity("iris: none")) == ("compiling", "compiling", None)
    workers.show_worker("a", Activity.TRAINING, part.id, 60)
    assert activity() == "search 0/18"
    workers.show_worker("a", Activity.IDLE, None, 60)
    workers.show_worker("b", Activity.TRAINING, part.id, -1)  # it gave no sign of life since
    assert activity() is None
    assert [seen["name"] for seen in api.get("/v1/workers").json()["workers"]] == ["a"]
    api.post("/v1/studies/iris/stop").raise_for_status()
    api.post("/v1/studies/iris/comparison/stop")
    workers.show_worker("a", Activity.COMPILING, part.id, 60)  # it learns of the end a moment later
    assert activity() is None
    workers.show_worker("a", Activity.PUBLISHING, part.id, 60)
    assert activity() == "publishing"
