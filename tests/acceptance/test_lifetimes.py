"""Servers and workers come and go, in order and by SIGKILL: no trial is lost, none is run twice, nobody stays."""

from __future__ import annotations

import os
import signal
import time

import httpx
import pytest

from tests.acceptance.polling import eventually
from tests.acceptance.processes import House, serving
from tests.acceptance.studies import SLOW_EPOCHS, document, ended, finished, ran_exactly, read, slow, submit, trials

EPOCHS = 5_000  # of a training that is caught on its way

pytestmark = pytest.mark.xdist_group("lifetimes")


def lost(api: httpx.Client, name: str, budget: int) -> int:
    """How many attempts of a study ended with their workers."""
    asked = [api.get(f"/v1/studies/{name}/trials/{number}/attempts") for number in range(budget)]
    attempts = [attempt for answer in asked if answer.is_success for attempt in answer.json()]
    return sum(attempt["ending"] == "lost" for attempt in attempts)


# Of lanes `test_a_study_that_is_paused_killed_and_restarted_…` says the same and more.
def test_killed_workers_and_a_restarted_server_lose_no_trial(house: House) -> None:
    with serving(house, workers=2) as server:
        submit(server.api, slow("long", 6))
        eventually(lambda: [t for t in trials(server.api, "long") if t["state"] == "RUNNING"])
        # All of them, for one of two may hold every running trial.
        for worker in house.workers():
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: finished(server.api, "long"))
        before, killed = finished(server.api, "long"), lost(server.api, "long", 6)
        assert killed > 0
        server.end(signal.SIGTERM)
    assert house.everybody() == []
    with serving(house, workers=1) as server:
        assert read(server.api, "long")["state"] == "running"
        kept = {trial["number"]: trial for trial in trials(server.api, "long")}
        assert all(kept[trial["number"]] == trial for trial in before)
        ended(server.api, "long")
        ran_exactly(server.api, "long", 6)
        items = trials(server.api, "long")
        assert {trial["state"] for trial in items} == {"COMPLETE"}
        assert {trial["epochs"] for trial in items} == {SLOW_EPOCHS["fit"]}
        # A worker that was asked to leave has handed its trial back, which is no lost attempt.
        assert lost(server.api, "long", 6) == killed
        assert max(trial["attempt"] for trial in items) == 2


def test_a_study_that_is_paused_killed_and_restarted_has_the_table_of_one_that_was_not(house: House) -> None:
    def table(name: str) -> list[dict[str, object]]:
        ended(server.api, name)
        ran_exactly(server.api, name, 2)
        told = ("number", "params", "state", "values", "metrics", "weights", "epochs", "best_epoch")
        return [{field: trial[field] for field in told} for trial in trials(server.api, name)]

    def epochs(name: str) -> int:
        shown = server.api.get(read(server.api, name)["dashboard"].replace("/dashboard/", "/api/")).json()["trials"]
        return max((value["step"] for trial in shown for value in trial["intermediate_values"]), default=0)

    # Enough steps that it is caught on its way.
    space, data = {"patience": EPOCHS, "batch_size": 8}, {"kind": "builtin", "name": "breast_cancer"}
    model = {"kind": "mlp", "hidden_units": [32, 32]}
    changes = {"dataset": data, "model": model, "space": space, "training": {"lanes": 2}}
    plain = document("calm", 2, EPOCHS, reproducible=True, **changes)
    house.environment["REGSWEEP_CHECKPOINT_SECONDS"] = "0.2"
    with serving(house, workers=1) as server:
        submit(server.api, plain)
        calm = table("calm")
        submit(server.api, plain | {"name": "rough"})
        eventually(lambda: epochs("rough"))
        server.api.post("/v1/studies/rough/pause").raise_for_status()
        eventually(lambda: read(server.api, "rough")["progress"]["running"] == 0)
        stood = epochs("rough")
        assert 0 < stood < EPOCHS
        server.api.post("/v1/studies/rough/resume").raise_for_status()
        eventually(lambda: epochs("rough") > stood)
        server.end(signal.SIGTERM)
    with serving(house, workers=1) as server:
        eventually(lambda: read(server.api, "rough")["progress"]["running"] or read(server.api, "rough")["ended_at"])
        for worker in house.workers():
            os.kill(worker, signal.SIGKILL)
        assert table("rough") == calm
        endings = server.api.get("/v1/studies/rough/trials/0/attempts").json()
        assert [attempt["ending"] for attempt in endings] in (["told"], ["lost", "told"])


def test_a_worker_leaves_in_the_middle_of_an_epoch_and_a_killed_server_leaves_none_behind(house: House) -> None:
    data = {"kind": "synthetic", "name": "clean", "rows": 20_000}
    endless = document("endless", 1, 5, dataset=data, space={"batch_size": 1}, training={"engine": "fit"})
    with serving(house, workers=1) as server:
        submit(server.api, endless)
        eventually(lambda: read(server.api, "endless")["progress"]["running"])
        [worker] = house.workers()
        begun = time.monotonic()
        os.kill(worker, signal.SIGTERM)
        eventually(lambda: worker not in house.workers(), 20)
        assert time.monotonic() - begun < 10
        [attempt] = server.api.get("/v1/studies/endless/trials/0/attempts").json() or [{"ending": None}]
        assert attempt["ending"] is None  # another worker's, or none yet: the one that left handed it back
        # The one that took its place trains on.
        eventually(lambda: len(house.workers()) == 1 and read(server.api, "endless")["progress"]["running"])
        server.end(signal.SIGKILL)
        eventually(lambda: house.everybody() == [], 60)


def test_ctrl_c_at_once_leaves_no_worker_behind(house: House) -> None:
    with serving(house, workers=2) as server:
        eventually(lambda: len(house.workers()) == 2)
        server.end(signal.SIGINT)
    assert house.everybody() == []
