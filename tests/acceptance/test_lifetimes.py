"""Servers and workers come and go, in order and by SIGKILL: no trial is lost, none is run twice, nobody stays."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing

import pytest

from tests.acceptance.polling import eventually
from tests.acceptance.processes import House, serving
from tests.acceptance.studies import SLOW_EPOCHS, document, ended, finished, ran_exactly, read, slow, submit, trials

pytestmark = pytest.mark.xdist_group("lifetimes")


@pytest.mark.parametrize("engine", SLOW_EPOCHS)
def test_a_killed_worker_loses_no_trial(house: House, engine: str) -> None:
    with serving(house, workers=2) as server:
        submit(server.api, slow("killed", 4, engine))
        eventually(lambda: [t for t in trials(server.api, "killed") if t["state"] == "RUNNING"])
        # All of them, for one of two may hold every running trial in its lanes.
        for worker in house.workers():
            os.kill(worker, signal.SIGKILL)
        ended(server.api, "killed")
        ran_exactly(server.api, "killed", 4)
        items = trials(server.api, "killed")
        assert {trial["state"] for trial in items} == {"COMPLETE"}
        assert max(trial["attempt"] for trial in items) == 2
        assert {trial["epochs"] for trial in items} == {SLOW_EPOCHS[engine]}


@pytest.mark.parametrize("engine", SLOW_EPOCHS)
def test_a_restarted_server_goes_on_where_it_was(house: House, engine: str) -> None:
    with serving(house, workers=1) as server:
        submit(server.api, slow("long", 4, engine))
        eventually(lambda: finished(server.api, "long"))
        before = finished(server.api, "long")
        server.end(signal.SIGTERM)
    assert house.everybody() == []
    with serving(house, workers=1) as server:
        assert read(server.api, "long")["state"] == "running"
        kept = {trial["number"]: trial for trial in trials(server.api, "long")}
        assert all(kept[trial["number"]] == trial for trial in before)
        ended(server.api, "long")
        ran_exactly(server.api, "long", 4)
        # A worker that was asked to leave has handed its trial back, which is no lost attempt.
        assert {trial["attempt"] for trial in trials(server.api, "long")} == {1}


def test_a_reproducible_study_has_the_same_table_with_one_worker_and_with_four(house: House) -> None:
    def table(name: str) -> list[dict[str, object]]:
        ended(server.api, name)
        ran_exactly(server.api, name, 30)
        told = ("number", "params", "state", "values", "metrics", "weights", "epochs", "best_epoch")
        return [{field: trial[field] for field in told} for trial in trials(server.api, name)]

    plain = document("one", 30, 12, reproducible=True, training={"lanes": 2}, pruner="median")
    with serving(house, workers=1) as server:
        submit(server.api, plain)
        one = table("one")
        for _ in range(3):
            house.start("worker")
        eventually(lambda: house.log().count("worker is ready") == 4, 120)
        submit(server.api, plain | {"name": "four"})
        assert table("four") == one
        query = "SELECT COUNT(DISTINCT worker) FROM regsweep_trials GROUP BY study_id"
        with closing(sqlite3.connect(house.folder / "regsweep.db")) as connection:
            assert [count for (count,) in connection.execute(query)][1] > 1


def test_a_killed_server_leaves_no_worker_behind(house: House) -> None:
    with serving(house, workers=2) as server:
        submit(server.api, slow("orphan", 50))
        eventually(lambda: trials(server.api, "orphan"))
        assert len(house.workers()) == 2
        server.end(signal.SIGKILL)
        eventually(lambda: house.everybody() == [], 60)


def test_ctrl_c_at_once_leaves_no_worker_behind(house: House) -> None:
    with serving(house, workers=2) as server:
        eventually(lambda: len(house.workers()) == 2)
        server.end(signal.SIGINT)
    assert house.everybody() == []
