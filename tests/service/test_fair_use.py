"""A fleet serves small studies beside a large one: simulated in virtual time with the real store and scheduler."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ledger import TrialLedger
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from studies.search.mirror import Mirror, as_template
from studies.sweep.ledger import Claim
from tests.service.documents import study
from tests.service.ledgers import effective, outcome

TRIAL_SECONDS, TURN_SECONDS = 5.0, 10.0
SMALL = 10  # trials of a small study


@dataclass
class SimulatedWorker:
    name: str
    free_at: float  # when its trial ends
    book: TrialLedger | None = None
    study: str = ""
    held: tuple[Claim, int] | None = None


class SimulatedFleet:
    """Workers of one lane whose trainings take five seconds of virtual time."""

    def __init__(self, store: Store, folder: Path, workers: int) -> None:
        self._store, self._artifacts, self.now = store, Artifacts(f"file://{folder}"), 0.0
        # Not all in the same moment, as no fleet is.
        self._workers = [SimulatedWorker(f"worker {number}", number * 0.5) for number in range(workers)]
        self.ended = Counter[str]()  # trials, by study

    def run_until(self, instant: float) -> None:
        while (worker := min(self._workers, key=lambda worker: worker.free_at)).free_at <= instant:
            self.now = worker.free_at
            self._step(worker)
        self.now = instant

    def _step(self, worker: SimulatedWorker) -> None:
        if worker.book is not None and worker.held is not None:
            worker.book.close(*worker.held, outcome())
            self.ended[worker.study] += 1
        if not self._begin_trial(worker):
            found = WorkerStore(self._store).take_up(None, worker.name, (), None)
            if found is not None:
                holder = Holder(worker.name, 600.0, TURN_SECONDS, clock=lambda: self.now)
                worker.study, worker.book = found.name, TrialLedger(self._store, self._artifacts, found, holder)
                self._begin_trial(worker)
        worker.free_at = self.now + (TRIAL_SECONDS if worker.held else 1.0)

    def _begin_trial(self, worker: SimulatedWorker) -> bool:
        worker.held = None
        for claim in [] if worker.book is None else worker.book.claim(1):
            spec = study(worker.study)
            template = as_template(Mirror(spec, worker.book.trials()).ask())  # type: ignore[union-attr]  # it claimed
            worker.book.open(claim, template, effective(spec, template))  # type: ignore[union-attr]
            worker.held = claim, template.number
        return worker.held is not None


@pytest.fixture
def fleet(store: Store, folder: Path) -> SimulatedFleet:
    """Four workers that have served a large study for a minute."""
    fleet = SimulatedFleet(store, folder, 4)
    store.create_study(study("large", trials=400))
    fleet.run_until(60)
    assert fleet.ended == {"large": 45}
    return fleet


def test_a_small_study_gets_half_of_the_fleet_from_a_large_one(store: Store, fleet: SimulatedFleet) -> None:
    store.create_study(study("small", trials=SMALL))
    before = fleet.ended["large"]
    # A turn until workers come, five rounds of two workers, and the rounds in which the turns end.
    fleet.run_until(60 + TURN_SECONDS + 5 * TRIAL_SECONDS + 2 * TRIAL_SECONDS)
    assert store.study("small").state == "completed"
    assert fleet.ended["large"] - before >= 2 * 45 / TRIAL_SECONDS - 2  # two of the four went on with it


def test_three_small_studies_and_a_large_one_share_the_fleet_alike(store: Store, fleet: SimulatedFleet) -> None:
    for number in range(3):
        store.create_study(study(f"small {number}", trials=SMALL))
    before = fleet.ended["large"]
    fleet.run_until(60 + TURN_SECONDS + SMALL * TRIAL_SECONDS + 2 * TRIAL_SECONDS)
    assert {store.study(f"small {number}").state for number in range(3)} == {"completed"}
    assert fleet.ended["large"] > before + SMALL


def test_a_small_study_of_a_lower_priority_waits_and_one_of_a_higher_takes_all(
    store: Store, fleet: SimulatedFleet
) -> None:
    store.create_study(study("later", trials=SMALL, priority=-1))
    store.create_study(study("urgent", trials=16, priority=1))
    before = fleet.ended["large"]
    fleet.run_until(60 + TURN_SECONDS + 4 * TRIAL_SECONDS + TRIAL_SECONDS)
    assert store.study("urgent").state == "completed"
    assert fleet.ended["large"] <= before + 3 * 4  # until the turns were over, and after the urgent ones
    assert fleet.ended["later"] == 0


def test_a_large_study_of_few_workers_leaves_the_rest_of_the_fleet_free(store: Store, fleet: SimulatedFleet) -> None:
    store.change("large", max_workers=1)
    fleet.run_until(75)
    before = fleet.ended["large"]
    fleet.run_until(125)
    assert 9 <= fleet.ended["large"] - before <= 10  # of one worker; four would have had 40
