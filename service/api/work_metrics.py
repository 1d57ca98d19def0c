"""Metrics of the work of all workers and machines, read from the database at each scrape, for Prometheus."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.api.lazy_store import LazyStore
from service.errors import StorageError
from service.storage import demand, work
from service.storage.states import Activity, Ending, StudyState, TrialState
from service.storage.work import EndedTrial, LostAttempt, WorkNow
from service.worker.demand import wanted_workers
from studies.spec.resources import Resources

_log = structlog.get_logger(__name__)

_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
_OVERLAP_SECONDS = 10.0  # a transaction may commit after one that began later
_MAX_ROWS = 20_000  # read at one scrape; a later one reads what is left
_ENDED = tuple(state for state in TrialState if state not in {TrialState.WAITING, TrialState.RUNNING})
_ENGINES = ("lanes", "fit", "none")
#: How the reaper's reason begins, see WorkerStore.reap.
_EXPIRED = "its worker gave no sign of life"

_Labels = tuple[str, ...]
Row = TypeVar("Row", EndedTrial, LostAttempt)


class _Stream:
    """Hands out each row once that has an end, in the order of the ends."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._seen: dict[Hashable, float] = {}

    def new(self, read: Callable[[float], Sequence[Row]]) -> list[Row]:
        """The rows that were not there before."""
        rows = read(self._since)
        new = [row for row in rows if row[:2] not in self._seen]
        self._seen |= {row[:2]: row.ended_at for row in new}
        if rows:
            self._since = max(self._since, rows[-1].ended_at - _OVERLAP_SECONDS)
        self._seen = {key: ended_at for key, ended_at in self._seen.items() if ended_at > self._since}
        return new


class _Totals:
    """What has ended since the server asked first; Prometheus expects counters to begin anew with a process."""

    def __init__(self, since: float) -> None:
        self._trials, self._attempts = _Stream(since), _Stream(since)
        self.trials: Counter[tuple[str, str]] = Counter({(s, e): 0 for s in _ENDED for e in _ENGINES})
        self.buckets = {engine: [0] * (len(_BUCKETS) + 1) for engine in _ENGINES}
        self.seconds = Counter[str]()
        self.attempts: Counter[str] = Counter({ending: 0 for ending in Ending if ending != Ending.TOLD})
        self.expiries = 0

    def add_new(self, session: Session) -> None:
        """Add what has ended since the last call."""
        trials = self._trials.new(lambda since: work.trials_ended_after(session, since, _MAX_ROWS))
        engines = work.engine_names(session, {trial.study_id for trial in trials})
        for trial in trials:
            engine = engines.get(trial.study_id, "none")
            self.trials[trial.state, engine] += 1
            if trial.seconds is not None:
                self.buckets.setdefault(engine, [0] * (len(_BUCKETS) + 1))[bisect_left(_BUCKETS, trial.seconds)] += 1
                self.seconds[engine] += trial.seconds  # type: ignore[assignment]
        for attempt in self._attempts.new(lambda since: work.attempts_lost_after(session, since, _MAX_ROWS)):
            self.attempts[attempt.ending] += 1
            self.expiries += (attempt.reason or "").startswith(_EXPIRED)


class WorkMetrics(Collector):
    """Collects the metrics of the work; while the database does not answer, only that it does not."""

    def __init__(self, registry: CollectorRegistry, lazy_store: LazyStore) -> None:
        self._lazy_store, self._lock = lazy_store, threading.Lock()
        self._totals: _Totals | None = None
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Name no metric before it is collected: that would read the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the database and give all metrics."""
        try:
            with self._lock, self._lazy_store.get().reading() as session:
                # Streams count from the first scrape on, or what ended before would look like a burst.
                totals = self._totals = self._totals or _Totals(work.now(session))
                totals.add_new(session)
                wanted = wanted_workers(demand.read(session))
                metrics = [*_metrics_now(work.work_now(session)), _wanted(wanted), *_metrics_of_totals(totals)]
        except (SQLAlchemyError, StorageError) as error:
            _log.warning("the work is not measured", error=str(error))
            yield _gauge("regsweep_database_up", "Whether the database answers.", {(): 0.0})
            return
        yield _gauge("regsweep_database_up", "Whether the database answers.", {(): 1.0})
        yield from metrics


def _metrics_now(now: WorkNow) -> Iterator[Metric]:
    studies: dict[_Labels, float] = {(str(state),): float(now.studies.get(state, 0)) for state in StudyState}
    yield _gauge("regsweep_studies", "Studies by state, without the parts of comparisons.", studies, "state")
    yield _gauge("regsweep_trials_waiting", "Trials that a worker could claim: the queue.", {(): float(now.waiting)})
    text = "Studies whose trials wait, and that no worker which is alive offers the resources for."
    yield _gauge("regsweep_studies_unserved", text, {(): float(now.unserved)})
    trials: dict[_Labels, float] = {(engine,): float(now.running[engine]) for engine in {*_ENGINES, *now.running}}
    yield _gauge("regsweep_trials_running", "Trials that workers hold, by engine.", trials, "engine")
    yield _gauge("regsweep_lanes", "Lanes of the programs that workers train with.", {(): float(now.lanes)})
    yield _gauge("regsweep_lanes_in_use", "Lanes that train, at most.", {(): float(now.lanes_in_use)})
    workers = Counter(worker.activity for worker in now.workers)
    alive: dict[_Labels, float] = {(str(activity),): float(workers[activity]) for activity in Activity}
    yield _gauge("regsweep_workers", "Workers that are alive, by what they do.", alive, "activity")
    silent = max((worker.silent_seconds for worker in now.workers), default=0.0)
    name, text = "regsweep_worker_silence_seconds", "Seconds since the last sign of life of the most silent worker."
    yield _gauge(name, text, {(): silent})
    memory = float(sum(worker.memory_bytes or 0 for worker in now.workers))
    yield _gauge("regsweep_workers_resident_memory_bytes", "Bytes that all workers hold.", {(): memory})


def _wanted(wanted: Mapping[Resources, int]) -> Metric:
    """By GPUs alone: a figure an autoscaler reads for each kind of its machines."""
    by_gpus: dict[_Labels, float] = {("0",): 0.0}
    for resources, count in wanted.items():
        label = (str(resources.gpus),)
        by_gpus[label] = by_gpus.get(label, 0.0) + count
    text = "Workers that the open trials are worth, by the GPUs that their studies need."
    return _gauge("regsweep_workers_wanted", text, by_gpus, "gpus")


def _metrics_of_totals(totals: _Totals) -> Iterator[Metric]:
    ended = CounterMetricFamily("regsweep_trials_ended", "Trials that ended.", labels=("state", "engine"))
    for (state, engine), count in sorted(totals.trials.items()):
        ended.add_metric((state.lower(), engine), count)
    yield ended
    text = "Seconds of a trial's last attempt, from its claim to its end."
    seconds = HistogramMetricFamily("regsweep_trial_duration_seconds", text, labels=("engine",))
    for engine, counts in totals.buckets.items():
        seconds.add_metric((engine,), _cumulative(counts), totals.seconds[engine])
    yield seconds
    text = "Attempts that ended without their trial."
    attempts = CounterMetricFamily("regsweep_attempts_lost", text, labels=("ending",))
    for ending, count in totals.attempts.items():
        attempts.add_metric((ending.replace(" ", "_"),), count)
    yield attempts
    yield CounterMetricFamily("regsweep_lease_expiries", "Leases that ran out.", totals.expiries)


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [*map(str, _BUCKETS), "+Inf"]
    return [(bound, float(sum(counts[: index + 1]))) for index, bound in enumerate(bounds)]


def _gauge(name: str, text: str, values: Mapping[_Labels, float], *labels: str) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in sorted(values.items()):
        gauge.add_metric(label_values, value)
    return gauge
