"""The simulation of benchmarks/simulation, small, held to the promise of the chaos tests."""

from __future__ import annotations

from pathlib import Path

from benchmarks.simulation.fairness import share
from benchmarks.simulation.recordings import value_of
from benchmarks.simulation.workers import Conduct, Crowd
from service.storage.artifacts import Artifacts
from service.storage.store import Store
from studies.study_file import parse
from tests.chaos.oracle import verify

STUDIES, TRIALS, WORKERS = 2, 8, 5


def test_whatever_nodes_die_every_budget_is_used_up_exactly(store: Store, folder: Path) -> None:
    for number in range(STUDIES):
        document = {"name": f"study {number}", "dataset": {"kind": "builtin", "name": "digits"}}
        budget = {"trials": TRIALS, "epochs": 12, "max_attempts": 20}
        store.create_study(parse({**document, "budget": budget, "seed": number}))
    artifacts = Artifacts(f"file://{folder}")
    crowd = Crowd(store, artifacts, Conduct(lanes=2, slower=2_000.0, deaths=0.1, poll_seconds=5.0), seed=1)
    crowd.start(WORKERS)
    crowd.time.run(lambda: crowd.is_done(WORKERS))
    count = verify(store, artifacts, value_of)
    assert (crowd.died > 0, crowd.reaped > 0) == (True, True)
    assert count.attempts["lost"] == crowd.reaped
    assert count.attempts["told"] == sum(count.trials.values())


def test_a_large_study_keeps_to_its_workers_and_lets_small_ones_through(store: Store, folder: Path) -> None:
    crowd = Crowd(store, Artifacts(f"file://{folder}"), Conduct(lanes=2, poll_seconds=2.0))
    seen = share(crowd, workers=5, large=60, small=["small 0", "small 1"], trials=4, max_workers=2)
    assert seen.most_workers == 2
    assert store.progress([large := store.study("large")])[large.id].waiting > 0  # it goes on behind them
    assert max(seen.ended_after.values()) < 60.0  # virtual seconds: three free workers, four trials of 15 seconds
