"""Simulated workers: what service.worker.worker.Worker and its heartbeat do, in virtual time and without training."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, cast

import sqlalchemy as sa

from benchmarks.simulation.meter import Meter
from benchmarks.simulation.recordings import Player
from benchmarks.simulation.virtual_time import VirtualTime
from service.storage.artifacts import Artifacts
from service.storage.claiming import Holder
from service.storage.ended_trials import EndedTrials
from service.storage.ledger import TrialLedger
from service.storage.offers import Offer
from service.storage.reaper import Reaper
from service.storage.records import StudyRecord
from service.storage.states import LIVE_STUDY, Activity, FleetKind
from service.storage.store import Store
from service.storage.worker_store import WorkerStore
from service.worker.idle_pause import IdlePause
from studies.datasets.preprocessing import PreparedData, prepare
from studies.spec.dataset import DatasetSpec
from studies.sweep.ledger import Ledger
from studies.sweep.loop import sweep

_MEMORY = 500_000_000  # bytes that a worker says it holds
_SHOWN_SECONDS = 1e6  # by the database's clock, which knows nothing of virtual time; see Crowd.add


@dataclass(frozen=True)
class Conduct:
    """How workers go about it; the seconds are those of service.settings."""

    lanes: int = 8
    slower: float = 100.0  # than the recordings, whose trainings take 0.1 seconds
    deaths: float = 0.0  # the chance that a worker's node dies, at each of its heartbeats
    replaced_seconds: float = 60.0  # after which another node is there
    lease_seconds: float = 30.0
    turn_seconds: float = 10.0
    poll_seconds: float = 0.2
    checkpoint_seconds: float = 60.0


class TimedLedger:
    """A ledger whose calls are counted; the time from one to the next `open` is an ask."""

    def __init__(self, ledger: TrialLedger, crowd: Crowd) -> None:
        self._ledger, self._crowd, self._returned_at = ledger, crowd, time.perf_counter()

    def __getattr__(self, name: str) -> Any:
        return partial(self._timed, name, getattr(self._ledger, name))

    def _timed(self, name: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if name == "open":
            self._crowd.meter.add("ask", time.perf_counter() - self._returned_at)
        with self._crowd.meter.part(name):
            result = method(*arguments, **named)
        if name == "close":
            self._crowd.closed += 1
        self._returned_at = time.perf_counter()
        return result


@dataclass
class Crowd:
    """All workers of a simulation; a node that dies is replaced by another."""

    store: Store
    artifacts: Artifacts
    conduct: Conduct = field(default_factory=Conduct)
    seed: int = 0

    def __post_init__(self) -> None:
        self.time, self.meter = VirtualTime(), Meter()
        self.closed = self.died = self.reaped = self.idle = 0
        self.worker_store = WorkerStore(self.store)
        self._random = random.Random(self.seed)  # noqa: S311  # no secret
        self._numbers = count()
        self._data: dict[str, list[PreparedData]] = {}
        self.retired = False

    def start(self, workers: int, within: float = 1.0) -> None:
        """Start workers, spread over some seconds."""
        for index in range(workers):
            self.add(after=within * index / workers)

    def add(self, after: float = 0.0) -> None:
        """Start one worker, and the heart of its node."""
        worker = SimulatedWorker(self, f"node-{next(self._numbers)}")
        task = self.time.start(worker.work, after)

        def beat() -> None:
            seconds = self.conduct.lease_seconds / 3
            self.time.sleep(seconds * self._random.random())
            while not task.dead:
                if self._random.random() < self.conduct.deaths:
                    self.died += 1
                    self.time.kill(task)
                    self.add(after=self.conduct.replaced_seconds)
                    self.time.sleep(self.conduct.lease_seconds)
                    self.worker_store.remove_worker(worker.name)  # nobody has seen it for its lease
                    return
                worker.beat()
                self.time.sleep(seconds)

        self.time.start(beat, after)

    def is_done(self, workers: int) -> bool:
        """Return whether so many workers are idle, and no study is live: a trial may wait for a lease to run out."""
        if self.idle < workers:
            return False
        live = sa.select(sa.exists().where(StudyRecord.state.in_(LIVE_STUDY)))
        with self.store.reading() as session:
            return not session.scalar(live)

    def data(self, spec: DatasetSpec) -> list[PreparedData]:
        """The prepared data, once for all."""
        key = spec.model_dump_json()
        if key not in self._data:
            self._data[key] = [prepare(spec, 0)]
        return self._data[key]


class SimulatedWorker:
    """One worker."""

    def __init__(self, crowd: Crowd, name: str) -> None:
        self._crowd, self.name = crowd, name
        self._reaper = Reaper(crowd.worker_store, crowd.conduct.lease_seconds, crowd.time.monotonic)
        self._offer = Offer(cpus=1.0, gpus=0, memory=_MEMORY, node=name)
        self._shown: tuple[Activity, int | None] = Activity.IDLE, None
        self._ended_trials = EndedTrials()

    def work(self) -> None:
        """Serve study after study, until nothing is left anywhere."""
        crowd = self._crowd
        self._show(Activity.LOADING_TENSORFLOW)
        chance = random.Random(self.name).random  # noqa: S311  # no secret
        pause = IdlePause(crowd.conduct.poll_seconds, crowd.store.engine.dialect.name, FleetKind.OWN, chance)
        while not crowd.retired:
            with crowd.meter.part("next study"):
                study = crowd.worker_store.take_up(None, self.name, (), self._offer)
            if study is not None:
                self._sweep(study)
                pause.reset()
            elif self._publish():
                pause.reset()
            else:
                self._show(Activity.IDLE)
                crowd.idle += 1
                try:
                    crowd.time.sleep(pause.next())
                finally:  # also when it dies
                    crowd.idle -= 1

    def beat(self) -> None:
        """Do what the heartbeat does."""
        crowd = self._crowd
        with crowd.meter.part("renew"):
            crowd.worker_store.renew(self.name, crowd.conduct.lease_seconds)
        with crowd.meter.part("look at leases"):
            if crowd.worker_store.watches_leases(self.name):
                crowd.reaped += self._reaper.look()
        self._write()

    def _show(self, activity: Activity, study_id: int | None = None) -> None:
        if self._shown != (activity, study_id):
            self._shown = activity, study_id
            self._write()

    def _write(self) -> None:
        crowd = self._crowd
        with crowd.meter.part("show"):
            crowd.worker_store.show_worker(self.name, *self._shown, _SHOWN_SECONDS, _MEMORY, self._offer)

    def _publish(self) -> bool:
        crowd = self._crowd
        with crowd.meter.part("publish"):
            study = crowd.worker_store.claim_unpublished(None)
            if study is not None:
                crowd.worker_store.set_published(study)
        return study is not None

    def _sweep(self, study: StudyRecord) -> None:
        crowd, conduct = self._crowd, self._crowd.conduct
        holder = Holder(
            self.name, conduct.lease_seconds, conduct.turn_seconds, leaving=lambda: crowd.retired,
            offer=self._offer, clock=crowd.time.monotonic,
        )  # fmt: skip
        with crowd.meter.part("record the engine"):
            shape = {"engine": "lanes", "lanes": conduct.lanes, "epochs_a_call": 1, "xla": False, "why": "recorded"}
            crowd.worker_store.record_engine(study.id, shape, {"feature_names": [], "rows": {}})
        self._show(Activity.TRAINING, study.id)
        spec = study.parsed_spec
        ledger = TimedLedger(TrialLedger(crowd.store, crowd.artifacts, study, holder, self._ended_trials), crowd)
        player = Player(crowd.time, conduct.lanes, conduct.slower)
        sweep(
            spec, crowd.data(spec.dataset), cast("Ledger", ledger), player,
            checkpoint_seconds=conduct.checkpoint_seconds, clock=crowd.time,
        )  # fmt: skip
